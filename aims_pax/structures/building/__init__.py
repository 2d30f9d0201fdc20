"""The structures that phases of exploration begin with: packed, carved and stitched."""
