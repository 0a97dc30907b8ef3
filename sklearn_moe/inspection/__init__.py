"""What a fitted mixture tells about itself."""

from sklearn_moe.inspection.uncertainty import summary

__all__ = ["summary"]
