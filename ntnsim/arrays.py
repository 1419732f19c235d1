"""Names for the array types that signatures share: what they hold, and for images their shape."""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
Int32Array = npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]

UInt8Image = npt.NDArray[np.uint8]  # [H, W, 3], RGB
BoolMask = npt.NDArray[np.bool_]  # [H, W]
ClassMap = npt.NDArray[np.uint8]  # [H, W], values index class names
RankMap = npt.NDArray[np.uint8]  # [H, W], values are relevance ranks
