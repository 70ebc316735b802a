"""One recognition for all lots of a machine: an actor of Ray's that holds the engine, on a GPU.

A lot's recogniser keeps its windows' bookkeeping and its decisions; only its engine is elsewhere.
Frames go through the machine's own object store as the networks take them in, logits come back.
"""

import asyncio
import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray
from ray.exceptions import GetTimeoutError, RayError

from har_stream.bundles.bundle import DEFAULT, Bundle
from har_stream.bundles.fetch_weights import load_with_weights
from har_stream.config.settings import Settings
from har_stream.core.errors import InputError
from har_stream.core.log_once import LogOnce
from har_stream.recognition.engines import EngineName, open_engine
from har_stream.recognition.engines.engine import Engine, StatesLost
from har_stream.recognition.window_rows import WindowRows

logger = logging.getLogger(__name__)

START_S = 120.0
"""A lot that begins waits so long for networks to be loaded, and for a GPU to be free."""
ANSWER_S = 20.0
"""A lot waits so long for its logits. A step of a size that is new is compiled first: seconds."""


@dataclass(slots=True)
class _Lot:
    """A lot's states in the engine: by its own slot, which of the engine's it is."""

    key: str
    slots: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class _Asked:
    """One step of one lot, as in `Engine.step`; no logits: not computed."""

    lot: str
    key: str
    frames: NDArray[np.float32]
    slots: NDArray[np.int64]
    ages: NDArray[np.int32]
    rows: NDArray[np.int64]
    logits: NDArray[np.float32] | None = None


class RecognitionActor:
    """Computes for all lots of a machine, in a process that Ray starts and starts again.

    What lots ask for while it computes goes through the networks in one batch after that.

    Args:
        settings: Of any lot's node, as JSON: all have the same bundle.
        engine: What computes.
    """

    def __init__(self, settings: str, engine: EngineName) -> None:
        self._settings = Settings.model_validate_json(settings)
        self._engine_name = engine
        self._engine: Engine | None = None
        self._hash = ""
        self._lots: dict[str, _Lot] = {}
        self._asked: list[_Asked] = []
        self._computing = asyncio.Lock()

    async def join(self, lot: str, key: str, bundle_hash: str) -> tuple[str, str]:
        """Begin anew with a lot; what is kept of it under another key is forgotten.

        Args:
            lot: Its name.
            key: What its steps show.
            bundle_hash: Of its bundle; one that was updated is loaded anew.

        Returns:
            What computes, and on what; and why it cannot, or nothing.
        """
        async with self._computing:
            try:
                if self._engine is None or bundle_hash != self._hash:
                    await asyncio.to_thread(self._open, bundle_hash)
            except InputError as error:
                return "", str(error)
            self._lots[lot] = _Lot(key)
            return self._engine.runs_on if self._engine else "", ""

    async def step(self, lot: str, key: str, *step: Any) -> NDArray[np.float32] | None:
        """Take a lot's frames one step on, in a batch with others'.

        Args:
            lot: Its name.
            key: As it joined.
            step: Frames, slots, ages and rows; see `Engine.step`.

        Returns:
            Logits; none: whoever has that key has to join first.
        """
        asked = _Asked(lot, key, *step)
        self._asked.append(asked)
        async with self._computing:
            if asked in self._asked:  # not computed with another's
                batch, self._asked = self._asked, []
                await asyncio.to_thread(self._compute, batch)
        return asked.logits

    async def forget(self, lot: str) -> None:
        """Drop a lot's states: it has ended."""
        async with self._computing:
            self._lots.pop(lot, None)

    def _open(self, bundle_hash: str) -> None:
        settings = self._settings
        bundle = load_with_weights(settings.bundle or DEFAULT, state_dir=settings.state_dir)
        if bundle.hash != bundle_hash:
            raise InputError(f"{bundle.path}: another bundle than the lot has; restart the lot")
        self._lots.clear()
        self._engine = None  # before the next takes memory
        rows = WindowRows.from_manifest(bundle.manifest)
        self._engine, self._hash = open_engine(bundle, rows, name=self._engine_name), bundle.hash

    def _compute(self, batch: Sequence[_Asked]) -> None:
        known = [each for each in batch if self._knows(each)]
        if self._engine is None or not known:
            return
        try:
            logits = self._engine.step(
                np.concatenate([each.frames for each in known]),
                slots=np.concatenate([self._slots(each) for each in known]),
                ages=np.concatenate([each.ages for each in known]),
                rows=np.concatenate([each.rows for each in known]),
            )
        except Exception:
            self._engine = None  # nobody knows what its states are now
            self._lots.clear()
            raise
        ends = np.cumsum([len(each.slots) for each in known])
        for each, part in zip(known, np.split(logits, ends[:-1]), strict=True):
            each.logits = part

    def _knows(self, asked: _Asked) -> bool:
        lot = self._lots.get(asked.lot)
        return lot is not None and lot.key == asked.key

    def _slots(self, asked: _Asked) -> NDArray[np.int64]:
        """Which of the engine's slots a lot's are; one that is new gets the first that is free."""
        ours = self._lots[asked.lot].slots
        for slot in asked.slots.tolist():
            if slot not in ours:
                taken = {each for lot in self._lots.values() for each in lot.slots.values()}
                ours[slot] = next(n for n in range(len(taken) + 1) if n not in taken)
        return np.array([ours[slot] for slot in asked.slots.tolist()])


def start_recognition(settings: Settings, *, node: Any, n_gpus: float, engine: EngineName) -> Any:
    """Start the recognition of a machine; Ray starts it again there whenever it dies.

    Args:
        settings: Of any of the machine's lots.
        node: Where, as Ray's scheduling strategy.
        n_gpus: That it has for itself.
        engine: What computes.

    Returns:
        Ray's handle of it, with which it ends.
    """
    actor: Any = ray.remote(RecognitionActor)
    return actor.options(
        num_cpus=0, num_gpus=n_gpus, max_restarts=-1, scheduling_strategy=node
    ).remote(settings.model_dump_json(exclude_unset=True), engine)


class MachineEngine:
    """The engine of a lot whose machine recognises for all; see `Engine`.

    While nothing answers, windows begin anew with each frame, and nobody waits.

    Args:
        actor: Ray's handle of the machine's `RecognitionActor`.
        lot: Whose engine it is.
        bundle: What it recognises with.

    Attributes:
        runs_on: The runtime and the device that compute, for people.

    Raises:
        InputError: It cannot run the bundle, or did not start in time.
    """

    def __init__(self, actor: Any, lot: str, bundle: Bundle) -> None:
        self._actor = actor
        self._lot = lot
        self._hash = bundle.hash
        self._once = LogOnce()
        self._join()
        try:
            self.runs_on = self._joined(START_S)
        except GetTimeoutError as error:
            raise InputError(
                f"the machine's recognition did not start in {START_S:.0f} s: is its GPU free?"
            ) from error
        except RayError as error:
            raise InputError(f"the machine's recognition ended: {error}") from error

    def step(
        self,
        frames: NDArray[np.float32],
        *,
        slots: NDArray[np.int64],
        ages: NDArray[np.int32],
        rows: NDArray[np.int64],
    ) -> NDArray[np.float32]:
        """Take one frame of each of B different cameras; see `Engine.step`."""
        try:
            if self._joining is not None:
                self.runs_on = self._joined(0.0)
            step = (frames, slots, ages, rows)
            asked = self._actor.step.remote(self._lot, self._key, *step)
            logits: NDArray[np.float32] | None = ray.get(asked, timeout=ANSWER_S)
        except GetTimeoutError as error:
            if self._joining is None:
                self._begin_anew(f"no answer for {ANSWER_S:.0f} s")
            raise StatesLost from error
        except RayError as error:
            self._begin_anew(type(error).__name__)
            raise StatesLost from error
        if logits is None:
            self._begin_anew("it has begun anew")
            raise StatesLost
        self._once.forget(("lost",))
        return logits

    def _begin_anew(self, why: str) -> None:
        self._once.warn("lost", f"the machine's recognition: {why}; windows begin anew")
        self._join()

    def _join(self) -> None:
        self._key = uuid.uuid4().hex
        self._joining: Any = self._actor.join.remote(self._lot, self._key, self._hash)

    def _joined(self, timeout_s: float) -> str:
        """Return what computes.

        Raises:
            GetTimeoutError: We have not joined yet.
            RayError: There is nobody to join.
            InputError: We are refused.
        """
        runs_on, why = ray.get(self._joining, timeout=timeout_s)
        self._joining = None
        if why:
            raise InputError(f"recognise_on: machine: {why}")
        return str(runs_on)
