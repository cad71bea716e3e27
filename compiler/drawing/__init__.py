"""Draws a network as an SVG file."""
