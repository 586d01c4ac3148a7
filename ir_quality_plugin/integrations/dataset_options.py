"""The values of `datasets` in an option file: each key's kind, before anything is built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import UsageError

# Larger numbers are none of an option's, and some too large for what computes with them.
MOST = 2**31


def check_dataset_values(options: Mapping[str, Any], where: str) -> None:
    """Refuse values that the loader, or a dataset of BasicSR's or ours, could not work with.

    A null stands for a key that is left out. What is in files, and whether they are there, is looked at later.

    Args:
        options: one of `datasets`.
        where: it stands, for errors.

    Raises:
        UsageError: names the first key, its value, and what was expected.
    """
    for key, value in options.items():
        fits, expected = VALUES.get(key, (_anything, ""))
        if value is not None and not fits(value):
            raise UsageError(f"{where}.{key}={value!r}; expected {expected}")


def _anything(_: Any) -> bool:
    return True


def _text(value: Any) -> bool:
    return isinstance(value, str) and "\0" not in value


def _whole(least: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= MOST


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -MOST <= value <= MOST


def _rising(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_number, value)) and value[0] < value[1]


def _switch(value: Any) -> bool:
    return isinstance(value, bool)


def _template(value: Any) -> bool:
    """Whether the stem is put into one place as it is: `{:>250000000}` would fill the memory with blanks."""
    return isinstance(value, str) and value.count("{}") == 1 and not set("{}\0") & set(value.replace("{}", ""))


def _shares(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_number, value)) and min(value) > 0


def _split(value: Any) -> bool:
    known = {"shares": _shares, "seed": _whole(0), "by": _text}
    return isinstance(value, Mapping) and all(known.get(key, _anything)(entry) for key, entry in value.items())


def _backend(value: Any) -> bool:
    return isinstance(value, Mapping) and _text(value.get("type"))


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_text, value))


PLACE = (_text, "a path")
COUNT = (_whole(1), "a whole number of at least 1")
SWITCH = (_switch, "true or false")
VALUES: dict[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(("dataroot", "dataroot_gt", "dataroot_lq", "references", "meta_info_file", "meta_info"), PLACE),
    **dict.fromkeys(("batch_size_per_gpu", "gt_size", "scale", "crop_px", "patches", "num_prefetch_queue"), COUNT),
    **dict.fromkeys(("use_hflip", "use_rot", "in_memory", "pin_memory", "persistent_workers"), SWITCH),
    "num_worker_per_gpu": (_whole(0), "a whole number of at least 0"),
    "dataset_enlarge_ratio": (lambda value: _number(value) and value > 0, "a number above 0"),
    "prefetch_mode": (lambda value: value in ("cpu", "cuda"), "cpu, cuda or null"),
    "name": (_text, "a name"),
    "layout": (_text, "a name"),
    "part": (_text, "train, val or test"),
    "leave_out": (_texts, "a list of beginnings of names, in quotes"),
    "filename_tmpl": (_template, "one {} where the stem of the clean image stands, as in '{}x4', and no other brace"),
    "io_backend": (_backend, "a mapping with a type, such as {type: disk}"),
    "mos_range": (_rising, "two numbers, the lowest and the highest"),
    "split": (_split, "{shares: [0.6, 0.2, 0.2], by: content, seed: 0}: shares above 0, and a whole seed"),
}
