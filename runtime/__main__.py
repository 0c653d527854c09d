"""``python -m subpixel``."""

from __future__ import annotations

from subpixel.cli.main import main

if __name__ == "__main__":
    main()
