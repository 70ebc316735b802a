"""What takes frames beside the recogniser: windows, recordings, kept clips, the page."""

import argparse
import logging
from dataclasses import dataclass

from har_stream.bundles.bundle import Bundle, Manifest
from har_stream.config.settings import Settings
from har_stream.config.state_dir import clips_dir, pictures_file
from har_stream.core.activity import News
from har_stream.core.errors import InputError
from har_stream.core.frame import Frame
from har_stream.preview.clip_folder import ClipFolder
from har_stream.preview.clip_keeper import ClipKeeper
from har_stream.preview.clip_recorder import ClipRecorder
from har_stream.preview.picture_server import PictureServer
from har_stream.preview.preview import Preview

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FrameOutputs:
    """Those that are asked for.

    Attributes:
        preview: Windows and recordings.
        keeper: Clips to teach from.
        pictures: What the page shows.
    """

    preview: Preview | None
    keeper: ClipKeeper | None
    pictures: PictureServer | None

    def show(self, camera: str, frame: Frame) -> None:
        """Give a frame to all of them."""
        for output in (self.preview, self.keeper, self.pictures):
            if output is not None:
                output.show(camera, frame)

    def update(self, news: News) -> None:
        """Give news to all of them."""
        for output in (self.preview, self.keeper, self.pictures):
            if output is not None:
                output.update(news)

    def change_fps(self, fps: float) -> None:
        """Have films of as many frames a second from here on."""
        for output in (self.preview, self.keeper):
            if output is not None:
                output.change_fps(fps)

    def close(self) -> None:
        """Finish what is being written."""
        for output in (self.preview, self.keeper, self.pictures):
            if output is not None:
                output.close()

    @property
    def is_closed(self) -> bool:
        """Whether a person has closed the windows."""
        return self.preview is not None and self.preview.closed


def open_outputs(options: argparse.Namespace, settings: Settings, bundle: Bundle) -> FrameOutputs:
    """Open what is asked for.

    Raises:
        InputError: The bundle cannot give it, or it cannot be written.
    """
    check_asked(options, settings, bundle.manifest)
    return FrameOutputs(
        open_preview(options, bundle),
        open_keeper(settings, bundle),
        open_pictures(settings) if options.pictures else None,
    )


def check_asked(options: argparse.Namespace, settings: Settings, manifest: Manifest) -> None:
    """Refuse a bundle that cannot give what is asked for.

    Raises:
        InputError: It cannot; says what.
    """
    foreign = sorted(set(options.record_labels) - set(manifest.activities))
    if foreign:
        raise InputError(
            f"--record-labels: {manifest.name} does not know {', '.join(foreign)}; "
            f"it knows {', '.join(manifest.activities)}"
        )
    if (options.skeleton or options.show == "skeleton") and manifest.clip.person != "keypoints":
        flag = "--skeleton" if options.skeleton else "--show skeleton"
        raise InputError(
            f"{flag}: {manifest.name} looks for no key points; --list-bundles names others"
        )
    if settings.keep_clips.enabled and manifest.clip.person == "none":
        raise InputError(
            f"--keep-clips: {manifest.name} looks at pictures too small to teach from; "
            "--bundle home can be taught"
        )


def open_preview(options: argparse.Namespace, bundle: Bundle) -> Preview | None:
    """Open windows and recordings, where they are asked for.

    Raises:
        InputError: There is nothing to choose from.
    """
    if options.record_labels and options.record is None:
        raise InputError("--record-labels chooses what --record keeps: give --record DIR as well")
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
        InputError: The folder cannot be written.
    """
    bounds = settings.keep_clips
    if not bounds.enabled:
        return None
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
