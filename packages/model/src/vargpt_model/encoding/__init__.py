"""Images -> `image_codes`, once for all trainings."""

from vargpt_model.encoding.encode import EncodeConfig, Encoded, encode_images

__all__ = ["EncodeConfig", "Encoded", "encode_images"]
