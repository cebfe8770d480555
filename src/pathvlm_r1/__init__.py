"""PathVLM-R1: SFT and GRPO with a dual reward for vision-language models on pathology questions."""

__all__ = ["__version__"]

__version__ = "0.1.0"
