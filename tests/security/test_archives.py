"""Files that claim, or unpack into, more than they hold: refused before the memory is taken."""

import io
import json
import pickle
import resource
import struct
import zipfile

import pytest
import torch
from safetensors.torch import save_file

import ir_quality_plugin as irq
from ir_quality_plugin.catalog import CATALOG
from ir_quality_plugin.checkpoints.read import DIGEST, digest, read_weights
from ir_quality_plugin.errors import CheckpointError


def safetensors_file(path, header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


def entry(*offsets, shape=(2,), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


@pytest.mark.parametrize(
    "header",
    [
        {"a": entry(0, 2**40, shape=(2**38,))},
        {"a": entry(0, 8, shape=(2**60, 16))},
        {"a": entry(0, 8), "b": entry(0, 8)},
        {"a": entry(0, 8), "b": entry(4, 12)},
        {"a": entry(8, 16)},
        {"a": entry(8, 0)},
        {"a": entry(-8, 0)},
        {"a": entry(0, 16)},
        {"a": entry(0, 8, shape=(-2,))},
        {"a": entry(0, 8, dtype="OBJECT")},
        {"__metadata__": {"card": 3}, "a": entry(0, 8)},
        b"{" + b'"a":{' * 100_000,
        b"{}",
    ],
    ids=str,
)
def test_a_lying_header_is_refused(tmp_path, header):
    path = safetensors_file(tmp_path / "a.safetensors", header, bytes(8))
    with pytest.raises(CheckpointError):
        irq.load_scorer("ckdn-s", weights=path)


@pytest.mark.parametrize("metadata", [{}, {"__metadata__": {"card": "{}", DIGEST: "0"}}])
@pytest.mark.parametrize("axes", [9, 300])
def test_a_tensor_of_hundreds_of_axes_is_refused(tmp_path, axes, metadata):
    header = {**metadata, "a": entry(0, 4, shape=[1] * axes)}
    path = safetensors_file(tmp_path / "a.safetensors", header, bytes(4))
    with pytest.raises(CheckpointError, match=f"{axes} axes|do not match the checksum"):
        read_weights(path)


@pytest.mark.parametrize("length", [0, 1, 2**27, 2**32, 2**63, 2**64 - 1])
def test_a_header_of_any_length_takes_no_memory(tmp_path, length):
    path = safetensors_file(tmp_path / "a.safetensors", {"a": entry(0, 8)}, bytes(8), length)
    with pytest.raises(CheckpointError):
        read_weights(path)


def archive_of(path, **entries):
    """What torch.save writes, with entries in the place of others, packed."""
    file = io.BytesIO()
    torch.save({"a": torch.ones(4)}, file)
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for one in source.infolist():
            name = one.filename.split("/", 1)[1]
            target.writestr(one.filename, entries.get(name, source.read(one)))
    return path


def test_a_packed_archive_is_refused_by_its_table_of_contents(tmp_path):
    path = archive_of(tmp_path / "bomb.pth", **{"data/0": bytes(2**28)})
    assert path.stat().st_size < 2**20
    with pytest.raises(CheckpointError, match=r"is refused: it is compressed, [\d,]+ bytes for 268,4\d\d,\d{3}"):
        read_weights(path)


def test_entries_that_overlap_are_refused(tmp_path):
    """A thousand names of one stored entry: no packing, and still more inside than there is."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", bytes(2**16))
        first = archive.infolist()[0]
        for index in range(1000):
            twin = zipfile.ZipInfo(f"archive/data/{index}")
            for name in ("header_offset", "CRC", "compress_size", "file_size", "compress_type", "flag_bits"):
                setattr(twin, name, getattr(first, name))
            archive.filelist.append(twin)
            archive.NameToInfo[twin.filename] = twin
    (tmp_path / "bomb.pth").write_bytes(file.getvalue())
    with pytest.raises(CheckpointError, match="is refused: it is compressed"):
        read_weights(tmp_path / "bomb.pth")


def test_a_tensor_that_repeats_one_number_is_refused(tmp_path):
    torch.save({"a": torch.ones(1).expand(2**40)}, tmp_path / "wide.pth")
    with pytest.raises(CheckpointError, match="no plain weights"):
        read_weights(tmp_path / "wide.pth")


def test_a_pickle_that_asks_for_all_memory_is_refused(tmp_path):
    content = b"\x80\x02cbuiltins\nbytearray\n" + pickle.dumps(2**60, 2)[2:-1] + b"\x85R."
    file = io.BytesIO()
    torch.save({}, file)
    path = tmp_path / "greedy.pth"
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as target:
        for one in source.infolist():
            target.writestr(one.filename, content if one.filename.endswith("data.pkl") else source.read(one))
    with pytest.raises(CheckpointError):
        read_weights(path)


@pytest.mark.parametrize(
    "network", [{"hidden": 10**9}, {"depths": [10**9, 1]}, {"planes": [8192] * 100}, {"hidden": "8"}, {"hidden": 8000}]
)
def test_a_card_cannot_ask_for_a_network_larger_than_its_file(tmp_path, network):
    card = {**json.loads(CATALOG["ckdn-s"].card.to_json()), "network": network}
    text, tensors = json.dumps(card), {"a": torch.ones(2)}
    save_file(tensors, tmp_path / "a.safetensors", {"card": text, DIGEST: digest(text, tensors)})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CheckpointError):
        irq.load_scorer("ckdn-s", weights=tmp_path / "a.safetensors")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


class Claim:
    """A tensor whose pickle says how many numbers its storage has."""

    def __init__(self, numbers):
        self.numbers = numbers

    def __reduce__(self):
        return torch._utils._rebuild_tensor_v2, ((Claim, self.numbers), 0, (self.numbers,), (1,), False, {})


class ClaimPickler(pickle.Pickler):
    def persistent_id(self, value):
        if isinstance(value, tuple) and value[:1] == (Claim,):
            return "storage", torch.FloatStorage, "0", "cpu", value[1], None
        return None


def test_a_file_of_before_zip_cannot_claim_more_than_it_holds(tmp_path):
    """Of that format only the pickle says how large a storage is; here none follows."""
    file = io.BytesIO()
    sizes = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    for part in (0x1950A86A20F9469CFC6C, 1001, sizes):
        pickle.dump(part, file, 2)
    ClaimPickler(file, 2).dump({"a": Claim(10**8)})
    pickle.dump([], file, 2)
    (tmp_path / "claim.pth").write_bytes(file.getvalue())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CheckpointError, match=r"asks for 400,000,000 bytes and more, and is \d\d\d bytes long"):
        read_weights(tmp_path / "claim.pth")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


END = "<IHHHHIIH"


def split_archive(content):
    """Entries, table of contents and end record of a zip file without 64-bit records."""
    end = struct.unpack(END, content[-22:])
    return content[: end[6]], content[end[6] : end[6] + end[5]], end


def with_decoy(packed, plain):
    """A table of contents where the end record names it, for torch, and another one before that record, for Python."""
    body, contents, end = split_archive(packed)
    decoy_body, decoy, _ = split_archive(plain)
    shift = len(contents) + len(decoy_body)  # which Python adds to every offset
    start = len(body) + len(contents)
    fixed, at = bytearray(decoy), 0
    while at < len(fixed):
        name, extra, comment = struct.unpack_from("<HHH", fixed, at + 28)
        (offset,) = struct.unpack_from("<I", fixed, at + 42)
        struct.pack_into("<I", fixed, at + 42, offset + start - shift)
        at += 46 + name + extra + comment
    assert len(fixed) == len(contents)
    return body + contents + decoy_body + bytes(fixed) + struct.pack(END, *end)


def zip_of(entries, packed=(), comment=0):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for index, (name, content) in enumerate(entries):
            one = zipfile.ZipInfo(name)
            one.comment = b"-" * (comment if index == 0 else 0)
            archive.writestr(one, content, zipfile.ZIP_DEFLATED if name.endswith(packed or "/none") else None)
    return file.getvalue()


def saved_entries(**others):
    file = io.BytesIO()
    torch.save({"a": torch.ones(4)}, file)
    with zipfile.ZipFile(file) as source:
        return [(one, others.get(one.split("/", 1)[1], source.read(one))) for one in source.namelist()]


def test_torch_reads_the_table_of_contents_that_was_checked(tmp_path):
    entries = saved_entries(**{"data/0": bytes(2**24)})
    packed = zip_of(entries, packed="data/0")
    short = [(f"x/{index}", b"-" * 2000) for index in range(len(entries))]
    plain = zip_of(short, comment=len(split_archive(packed)[1]) - len(split_archive(zip_of(short))[1]))
    path = tmp_path / "two.pth"
    path.write_bytes(with_decoy(packed, plain))
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist()[0] == "x/0"  # Python sees the decoy
    with pytest.raises(CheckpointError, match="or two such tables"):
        read_weights(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: b"PK\3\4" + bytes(60) + content,
        lambda content: content + b"more",
        lambda content: content[:-2] + b"\4\0more",
        lambda content: insert(content, b"hidden"),
    ],
    ids=["in front", "behind", "as a comment", "before the contents"],
)
def test_parts_that_no_table_names_are_refused(tmp_path, change):
    content = zip_of(saved_entries())
    (tmp_path / "a.pth").write_bytes(content)
    assert read_weights(tmp_path / "a.pth").tensors["a"].tolist() == [1, 1, 1, 1]
    (tmp_path / "a.pth").write_bytes(change(content))
    with pytest.raises(CheckpointError, match=r"is refused|is damaged"):
        read_weights(tmp_path / "a.pth")


def insert(content, hidden):
    body, contents, end = split_archive(content)
    return body + hidden + contents + struct.pack(END, *end[:6], len(body + hidden), 0)
