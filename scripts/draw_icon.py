"""Draw the icon of the Slicer module: an organ in outline, of which a few slices are labelled.

Usage: python3 scripts/draw_icon.py
"""

from pathlib import Path

from environment import ROOT, ensure_environment

ICON = ROOT / "slicer_module" / "FewLabel" / "Resources" / "Icons" / "FewLabel.png"
INCHES, DOTS = 1.28, 100  # 128 x 128 pixels; Slicer shows them as 32 x 32


def draw(path: "Path") -> "None":
    """Write the icon as PNG with a clear background."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.patches import Ellipse, Rectangle

    figure = pyplot.figure(figsize=(INCHES, INCHES))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, 32), ylim=(0, 32), aspect="equal")
    axes.axis("off")
    organ = axes.add_patch(Ellipse((16, 16), 27, 22, angle=25, facecolor="#5b7a94"))
    for left in (10.5, 19.5):
        band = axes.add_patch(Rectangle((left, 0), 4.5, 32, facecolor="#ffb000"))
        band.set_clip_path(organ)
    axes.add_patch(Ellipse((16, 16), 27, 22, angle=25, fill=False, edgecolor="#1d3446", linewidth=4))
    figure.savefig(path, dpi=DOTS, transparent=True, metadata={"Software": None})
    pyplot.close(figure)


if __name__ == "__main__":
    ensure_environment()
    draw(ICON)
    print(ICON)
