"""What one file, or one row of a request, may hold, as the settings say."""

from __future__ import annotations

from app.datasets.reading.limits import Limits
from app.settings import Settings


def file_limits(settings: Settings) -> Limits:
    """The limits of the reading."""
    return Limits(
        entries=settings.max_archive_files,
        unpacked_bytes=settings.max_unpacked_bytes,
        unpacked_ratio=settings.max_unpacked_ratio,
        unpacked_freely=settings.free_unpacked_bytes,
        example_bytes=settings.max_example_bytes,
        pixels=settings.max_image_pixels,
    )
