"""Wan-VACE with visual memory: references in front, and frames held through video and mask."""
