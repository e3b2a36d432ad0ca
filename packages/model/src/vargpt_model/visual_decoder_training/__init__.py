"""Trains a visual decoder class-conditionally on `image_codes`, as VAR is trained."""

from vargpt_model.visual_decoder_training.config import VisualDecoderTraining
from vargpt_model.visual_decoder_training.labelled_codes import LabelledCodes, labelled_codes
from vargpt_model.visual_decoder_training.train import TrainedDecoder, train_visual_decoder

__all__ = [
    "LabelledCodes",
    "TrainedDecoder",
    "VisualDecoderTraining",
    "labelled_codes",
    "train_visual_decoder",
]
