# SPDX-License-Identifier: Apache-2.0
"""The sentence encoder all-MiniLM-L6-v2 from PyTorch embeds sentences as ONNX Runtime does."""

import os
import unittest
from pathlib import Path

import accel
import numpy as np
from card import CardTest

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
FOLDER = CACHE / "accel/minilm"
AGREED = 0.99999


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)
    return (a.astype(np.float64) * b).sum(axis=-1) / norms


@unittest.skipUnless((FOLDER / "minilm.onnx").exists(), "make model-minilm makes the model")
class MiniLm(CardTest):
    def setUp(self):
        super().setUp()
        file = np.load(FOLDER / "minilm-sentences.npz")
        self.sentences = [str(sentence) for sentence in file["sentences"]]
        count = range(len(self.sentences))
        self.tokens = [file[f"tokens{number}"] for number in count]
        self.embeddings = np.concatenate([file[f"embedding{number}"] for number in count])

    def load(self, batch: int, sequence: int) -> accel.Model:
        model = accel.Model.load(
            FOLDER / "minilm.onnx",
            self.card,
            dimensions={"batch": batch, "sequence": sequence},
        )
        self.addCleanup(model.close)
        return model

    def test_a_sentence_of_exact_length(self):
        for number in (0, len(self.tokens) - 1):
            tokens = self.tokens[number]
            with self.subTest(self.sentences[number]):
                embedding = self.load(*tokens.shape)(tokens, np.ones_like(tokens))
                self.assertGreaterEqual(cosine(embedding[0], self.embeddings[number]), AGREED)

    def test_a_batch_of_sentences_that_are_padded_to_one_length(self):
        lengths = [tokens.shape[1] for tokens in self.tokens]
        self.assertGreater(len(set(lengths)), 3)
        ids = np.zeros((len(lengths), max(lengths) + 6), np.int64)
        mask = np.zeros_like(ids)
        for row, (tokens, length) in enumerate(zip(self.tokens, lengths, strict=True)):
            ids[row, :length], mask[row, :length] = tokens[0], 1
        result = self.load(*ids.shape)({"input_ids": ids, "attention_mask": mask})
        embeddings = result["sentence_embedding"]
        self.assertGreaterEqual(cosine(embeddings, self.embeddings).min(), AGREED)
        # Two sentences about the same thing are closer to each other than to one about another.
        self.assertGreater(
            cosine(embeddings[2], embeddings[3]), cosine(embeddings[2], embeddings[5]) + 0.3
        )


if __name__ == "__main__":
    unittest.main()
