"""What takes frames beside the recogniser: windows, recordings, kept clips, the page."""

import argparse
import logging

from har_stream.bundles.bundle import Bundle
from har_stream.config.settings import Settings
from har_stream.config.state_dir import clips_dir, pictures_file
from har_stream.core.errors import InputError
from har_stream.preview.clip_folder import ClipFolder
from har_stream.preview.clip_keeper import ClipKeeper
from har_stream.preview.clip_recorder import ClipRecorder
from har_stream.preview.picture_server import PictureServer
from har_stream.preview.preview import Preview

logger = logging.getLogger(__name__)


def open_preview(options: argparse.Namespace, bundle: Bundle) -> Preview | None:
    """Open windows and recordings, where they are asked for.

    Raises:
        InputError: The bundle cannot give what is asked for.
    """
    if options.record_labels and options.record is None:
        raise InputError("--record-labels chooses what --record keeps: give --record DIR as well")
    foreign = sorted(set(options.record_labels) - set(bundle.manifest.activities))
    if foreign:
        raise InputError(
            f"--record-labels: {bundle.manifest.name} does not know {', '.join(foreign)}; "
            f"it knows {', '.join(bundle.manifest.activities)}"
        )
    if (
        options.skeleton or options.show == "skeleton"
    ) and bundle.manifest.clip.person != "keypoints":
        flag = "--skeleton" if options.skeleton else "--show skeleton"
        raise InputError(
            f"{flag}: {bundle.manifest.name} looks for no key points; --list-bundles names others"
        )
    if not options.show and options.record is None:
        return None
    recorder = None
    if options.record is not None:
        recorder = ClipRecorder(
            options.record,
            labels=options.record_labels,
            max_mb=options.record_max_mb,
            fps=bundle.manifest.clip.sample_hz,
        )
    return Preview(window=options.show, recorder=recorder)


def open_keeper(settings: Settings, bundle: Bundle) -> ClipKeeper | None:
    """Open the folder of clips to teach from, where they are to be kept.

    Raises:
        InputError: The bundle looks at too little, or the folder cannot be written.
    """
    bounds = settings.keep_clips
    if not bounds.enabled:
        return None
    if bundle.manifest.clip.person == "none":
        raise InputError(
            f"--keep-clips: {bundle.manifest.name} looks at pictures too small to teach from; "
            "--bundle home can be taught"
        )
    folder = clips_dir(settings.state_dir, settings.node)
    logger.warning(
        "clips of what the cameras see are kept in %s: %d and %g MB at most, for %g days",
        *(folder, bounds.max_clips, bounds.max_mb, bounds.days),
    )
    return ClipKeeper(ClipFolder(folder, bounds), fps=bundle.manifest.clip.sample_hz)


def open_pictures(settings: Settings) -> PictureServer:
    """Give pictures to the page of this machine.

    Raises:
        InputError: The page cannot be told where.
    """
    logger.warning(
        "--pictures: whoever may see the page of this machine sees the cameras' pictures"
    )
    names = tuple(camera.id for camera in settings.cameras)
    return PictureServer(names, pictures_file(settings.state_dir, settings.node))
