"""Names of what can be chosen when model files are made from model files."""

from typing import Literal

NumberFormat = Literal["fp32", "fp16", "bf16", "fp8"]
AveragedWeights = Literal["drop", "keep", "use"]
Method = Literal["Weighted sum", "Add difference", "No interpolation"]
"""A1111's names: A * (1 - M) + B * M; A + (B - C) * M; A as it is."""
ConfigSource = Literal["A, B or C", "B", "C", "Don't"]
"""A1111's names: beside which of the files a yaml is looked for, to be copied."""
