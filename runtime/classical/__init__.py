"""Enlargement without a network: interpolation, back-projection, motion, fusion of frames; numpy only.

Planes are ``[H, W]`` float32, luma in [0, 1]; nothing is clipped here. Positions are in pixels, a pixel's centre being
a whole number; an enlargement by ``s`` has its sample ``i`` at ``(i + 0.5) / s - 0.5`` of the small plane, as MATLAB's
``imresize`` does, and beyond its border a plane continues mirrored, the edge pixel repeated.
"""
