"""Trains stages 1, 2 and 3 (arXiv 2501.12327, section 3.2) on `instruct` rows."""

from vargpt_model.row_source import Source, source_of
from vargpt_model.stage_training.config import StageTraining, stage_training
from vargpt_model.stage_training.data import DataPaths
from vargpt_model.stage_training.train import TrainedStage, train_stage

__all__ = [
    "DataPaths",
    "Source",
    "StageTraining",
    "TrainedStage",
    "source_of",
    "stage_training",
    "train_stage",
]
