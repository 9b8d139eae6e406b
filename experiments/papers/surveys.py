"""Papers out of scope: their systems and subjects are others."""

from experiments.papers.record import Paper

# fmt: off
SURVEYS: tuple[Paper, ...] = (
    Paper(15, "primer on language", 2021, "E", "out of scope", "survey of objectives", (), "a survey; its objectives are in other rows"),
    Paper(35, "DB-SAM", 2024, "E", "out of scope", "segmentation of medical pictures", (),
          "an architecture for segmentation, with no piece that carries over"),
    Paper(36, "low-level vision of foundation models", 2025, "E", "out of scope", "sensitivity to contrast", (),
          "a protocol for vision models; contrast is meant in the sense of optics"),
    Paper(43, "prostate zones", 2023, "E", "out of scope", "two networks that agree on a segmentation", (),
          "an architecture for segmentation, with no piece that carries over"),
    Paper(44, "solar system experiments", 2025, "E", "out of scope", "physics of gravitation", (), "another subject"),
    Paper(61, "speech representations", 2022, "E", "out of scope", "survey of speech", (), "a survey; its objectives are in other rows"),
    Paper(64, "MixedAE", 2023, "E", "out of scope", "mixing for masked autoencoders", (), "masked autoencoders of transformers"),
    Paper(73, "TERA", 2020, "E", "out of scope", "reconstruction of altered speech", (), "pretraining of transformers, without contrast"),
    Paper(80, "DualTAP", 2025, "E", "out of scope", "protection of screens against agents", (), "a system of language agents"),
    Paper(98, "continuous attacks on language models", 2024, "E", "out of scope", "adversarial training of language models", (),
          "training of language models, without contrast"),
)
# fmt: on
"""Rows by number."""
