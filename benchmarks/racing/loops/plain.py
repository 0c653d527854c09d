"""The plain PyAV + ONNX Runtime loop: ``plain.py MODEL.onnx IN OUT``, a float graph of luma."""

from __future__ import annotations

import sys

import onnxruntime
from frames import enlarge_file

if __name__ == "__main__":
    session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    enlarge_file(sys.argv[2], sys.argv[3], lambda luma: session.run(None, {name: luma[None, None]})[0][0, 0])
