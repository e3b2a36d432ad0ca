"""Trains an image tokenizer: reconstruction through codes of several scales."""

from vargpt_model.image_tokenizer_training.config import ImageTokenizerTraining
from vargpt_model.image_tokenizer_training.train import (
    PerceptualFiles,
    Trained,
    train_image_tokenizer,
)

__all__ = ["ImageTokenizerTraining", "PerceptualFiles", "Trained", "train_image_tokenizer"]
