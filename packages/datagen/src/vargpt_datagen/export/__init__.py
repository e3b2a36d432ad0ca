"""`datagen export`: a published folder in the forms that trainers read."""

from vargpt_datagen.export.exporting import FORMATS, Exported, export
from vargpt_datagen.export.read_back import read_export

__all__ = ["FORMATS", "Exported", "export", "read_export"]
