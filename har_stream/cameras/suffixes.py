"""How the names of video files end: what FFmpeg reads and cameras, phones and recorders write."""

_NAMES = (
    ".264 .265 .3g2 .3gp .asf .avi .divx .dv .f4v .flv .h264 .h265 .hevc .ivf .m2t .m2ts .m2v .m4v "
    ".mjpeg .mjpg .mkv .mov .mp4 .mpeg .mpg .mts .mxf .nut .ogm .ogv .qt .rm .rmvb .tod .ts .vob "
    ".webm .wmv .wtv .y4m"
)
VIDEO_SUFFIXES = frozenset(_NAMES.split())
"""In lower case; suffixes are compared so."""
