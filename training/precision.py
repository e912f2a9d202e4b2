"""In what products are computed: bfloat16 where the processor multiplies it, fifty times slower elsewhere."""

import torch

WORK = torch.bfloat16 if torch.ops.mkldnn._is_mkldnn_bf16_supported() else torch.float32
