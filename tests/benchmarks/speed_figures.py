"""A result of `python -m benchmarks.speed`, made by hand."""


def times(median):
    return {"median_s": median, "least_s": 0.9 * median, "most_s": 1.1 * median}


def result(device="cpu"):
    row = {
        "name": "CKDN score",
        "peer": "pyiqa's metric",
        "expected": {"fp32": 2.0, "bf16": 7.0},
        "expected_memory": {"fp32": 0.4, "bf16": 0.25},
        "largest_difference_fp32": 1e-7,
        "largest_value_fp32": 0.8,
        "operations": int(20e9),
        "bytes_fp32": int(10e9),
        "seconds": {"peer fp32": times(1.0), "ours fp32": times(0.4), "ours bf16": times(0.2)},
    }
    memory = {"peer fp32": (100, 80), "ours fp32": (50, 20), "ours bf16": (30, 10)}
    share = {"ckdn": {"fp32": 0.25, "bf16": 0.2}}
    return {
        "machine": {
            "date": "2026-11-21", "commit": "abc", "hardware": "a processor", "instructions": "AVX512", "cores": 2,
            "threads": 2, "load_average": 0.1, "torch": "2", "device": device, "clock": "wall", "shared": False,
            "rounds": 5,
        },
        "floor": {"rates": {
            "fp32": {"matrix": 80e9, "convolution": 100e9}, "bf16": {"matrix": 200e9, "convolution": 150e9},
            "memory": {"copy": 50e9},
        }},
        "rows": {"ckdn_score": row},
        "memory": {f"ckdn_score {side}": {"first": first * 2**20, "later": later * 2**20}
                   for side, (first, later) in memory.items()},
        "compact": {"ckdn": {"ratio": 9.3, "expected": 8.0}},
        "agreement": {"ckdn": {"images": 500, "side_px": 224, "expected": 0.999, "srcc": 0.99987}},
        "evaluation": {"ckdn fp32": {
            "files": 8, "size_px": [480, 640], "bytes_a_file": 512 * 1024, "ratio": 0.95, "expected": 0.9,
            "seconds": {"raw forward": times(7.6), "irq evaluate": times(8.0)},
        }},
        "large": {"score ckdn-s": {"peak_bytes": 3 * 2**30, "seconds": 4.2},
                  "score small": {"peak_bytes": 2**30, "seconds": 2.0}},
        "steps": {"RRDBNet": {"batch": 2, "crop_px": 128, "expected": {"full": 0.15, "compact": 0.03},
                              "seconds": {"step fp32": times(1.0), "step bf16": times(0.5)}, "share": share,
                              "share_recommended": {"ckdn": {"fp32": 0.3}}}},
        "growth": {"batch": {"at": [1, 2], "unit": "seconds a call", "lines": {"ckdn-s": [0.1, 0.2]}},
                   "processes": {"at": [1, 2], "unit": "files a second", "lines": {"ckdn-s": [20.0, 38.0]}}},
    }  # fmt: skip
