"""The reference of every public object, made from its docstring by mkdocstrings."""

from __future__ import annotations

TITLE = "Python"
GROUPS = {
    "Scorers": ("load_scorer", "list_scorers", "Scorer", "Card"),
    "Losses": (
        "QualityLoss",
        "NoReferenceQualityLoss",
        "DegradedReferenceQualityLoss",
        "ContentVariantQualityLoss",
        "TeacherFeatureLoss",
        "PyiqaLoss",
    ),
    "BasicSR and pyiqa": ("register",),
    "Networks": ("TeacherIQAStudent", "RestorationTeacher", "CKDN", "CVRKD", "initialise_from_imagenet"),
    "Errors": ("QualityPluginError", "UsageError", "ImageError", "MissingInputError", "CheckpointError"),
}


def page() -> str:
    """Markdown that names every public object for mkdocstrings; those of no group stand at the end."""
    lines = [
        f"# {TITLE}\n",
        "What `import ir_quality_plugin as irq` offers, made from the docstrings. A name is imported when it is first "
        "used: importing the package alone pulls in neither torch nor BasicSR nor pyiqa.\n",
    ]
    for title, names in groups().items():
        lines.append(f"## {title}\n")
        lines += [f"::: {home(name)}\n" for name in names]
    return "\n".join(lines)


def groups() -> dict[str, tuple[str, ...]]:
    """Public names by group, none left out."""
    import ir_quality_plugin

    grouped = {name for names in GROUPS.values() for name in names}
    rest = tuple(name for name in ir_quality_plugin.__all__ if name not in grouped and not name.startswith("_"))
    return {**GROUPS, "Others": rest} if rest else GROUPS


def home(name: str) -> str:
    """Where a public object is defined: `ir_quality_plugin.catalog.load_scorer`."""
    import ir_quality_plugin

    found = getattr(ir_quality_plugin, name)
    return f"{found.__module__}.{found.__name__}"
