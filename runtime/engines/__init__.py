"""One file per inference library, one table of them; `subpixel.open` is the only way in."""
