"""Trains the stand-ins of what the paper downloads, on the sample world alone."""

from vargpt_model.base_training.config import BaseTraining
from vargpt_model.base_training.train import TrainedBase, train_base

__all__ = ["BaseTraining", "TrainedBase", "train_base"]
