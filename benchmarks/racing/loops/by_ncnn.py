"""The same loop with ncnn: ``by_ncnn.py MODEL.param MODEL.bin IN OUT``, as pnnx makes them of a float graph of luma."""

from __future__ import annotations

import sys
from typing import Any

import ncnn
import numpy as np
from frames import enlarge_file

if __name__ == "__main__":
    net = ncnn.Net()
    net.load_param(sys.argv[1])
    net.load_model(sys.argv[2])

    def enlarge(luma: Any) -> Any:
        """One run."""
        extractor = net.create_extractor()
        extractor.input("in0", ncnn.Mat(luma[None]).clone())
        return np.array(extractor.extract("out0")[1])[0]

    enlarge_file(sys.argv[3], sys.argv[4], enlarge)
