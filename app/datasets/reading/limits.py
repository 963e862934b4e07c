"""What may one file hold?"""

from __future__ import annotations

from pydantic import Field

from .words import Model


class Limits(Model):
    """What one file may hold; more is refused."""

    entries: int = Field(1_000_000, description="Files in an archive.")
    unpacked_bytes: int = Field(50 << 30, description="Bytes of a file unpacked, images decoded.")
    unpacked_ratio: int = Field(200, description="Times its own size that a file may unpack to.")
    unpacked_freely: int = Field(256 << 20, description="Bytes up to which that ratio does not matter.")
    example_bytes: int = Field(64 << 20, description="Bytes of one image or text.")
    pixels: int = Field(64 << 20, description="Pixels of one image.")

    def unpacked_from(self, size: int) -> int:
        """The most bytes that a packed file of `size` bytes may hold."""
        return min(self.unpacked_bytes, self.in_proportion_to(size))

    def in_proportion_to(self, size: int) -> int:
        """The most bytes that work on a file of `size` bytes may make of it."""
        return max(self.unpacked_freely, self.unpacked_ratio * size)
