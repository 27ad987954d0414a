"""Run a network that `talkface models export NAME FILE.onnx` wrote, with NumPy and ONNX Runtime alone, and time it.

python demo/onnx_example.py FILE.onnx
"""

import json
import sys
import time

import numpy as np
import onnxruntime

LENGTHS = {"sound_frames": 400, "frames": 8}  # 4 s of speech; 8 mouths


def main(path: str) -> None:
    """Print what the network takes and gives, and how long it needs."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    about = session.get_modelmeta().custom_metadata_map
    lines = [f"{about['kind']} {json.loads(about['config'])}"]
    rng = np.random.default_rng(0)
    inputs = {}
    for each in session.get_inputs():
        shape = [LENGTHS.get(size, size) for size in each.shape]
        inputs[each.name] = rng.random(shape, dtype=np.float32)
    session.run(None, inputs)
    start = time.perf_counter()
    outputs = session.run(None, inputs)
    seconds = time.perf_counter() - start
    lines += [f"in   {name} {value.shape}" for name, value in inputs.items()]
    lines += [f"out  {each.name} {value.shape}" for each, value in zip(session.get_outputs(), outputs, strict=True)]
    sys.stdout.write("\n".join([*lines, f"{1000 * seconds:.1f} ms\n"]))


if __name__ == "__main__":
    main(sys.argv[1])
