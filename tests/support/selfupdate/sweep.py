"""Faults at every failpoint of an upgrade, and power cuts: the failpoints are found by running it once.

As tests/crash does it for transactions, whose parts are used here.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ota_py.errors import OtaError
from ota_py.gateway.system import failpoints
from tests.crash import child, faults, strace, sweep
from tests.crash.case import Fault
from tests.crash.disk import Disk
from tests.crash.faults import Place
from tests.crash.replay import RECORDED, Replay
from tests.crash.sim.clock import SimClock
from tests.crash.sweep import Reached
from tests.support.selfupdate.sim import NEW, OLD, SimBox
from tests.support.selfupdate.sim_programs import EXITS, GOOD, HANGS, SLOW

_KILLS = (Fault.KILLED_BEFORE, Fault.KILLED_AFTER)
SYNC_FAILS = (Fault.ERROR, "file.sync_all.before")
_STRINGS_BYTES = 16 * 1024**2


class Bench:
    """One kind of build, upgraded to again and again, each time from the beginning.

    Args:
        directory: in memory if possible.
    """

    def __init__(self, kind: str, directory: Path) -> None:
        self.box = SimBox(directory, SimClock(), kind)
        self._pristine = directory / "pristine"
        _checked(child.run(self.box.build))
        shutil.copytree(self.box.directory, self._pristine, symlinks=True)

    def reset(self) -> None:
        """Put the gateway back to the beginning of the upgrade."""
        sweep.put_back(self._pristine, self.box.directory)
        (self.box.directory.parent / "running").write_text(OLD)
        self.box.clock.set(1000.0, 1.0, 0.0)

    def record(self) -> list[Reached]:
        """The failpoints that an upgrade without any fault reaches."""
        self.reset()
        found = _checked(child.run(self._recorded))
        if problem := self.judge(None, reboot=False):
            raise RuntimeError(f"an upgrade fails without any fault: {problem}")
        return [Reached(Place(name, number), disk, phase) for name, number, disk, phase in found]

    def _recorded(self) -> list[tuple[str, int, int, str]]:
        found: list[tuple[str, int, int, str]] = []
        seen: Counter[str] = Counter()
        phase = ""

        def note(name: str) -> None:
            nonlocal phase
            phase = name if name.startswith("journal.") and name.endswith(".after") else phase
            seen[name] += 1
            found.append((name, seen[name], sweep.fingerprint(self.box.directory), phase))

        self.box.install()
        failpoints.install(note)
        self.box.offer()
        failpoints.install(None)
        return found

    def choose(self, fault: Fault, share: int) -> list[Place]:
        """The failpoints for a kind of fault; of a build that is returned from, those since the link leads to it.

        Until then it is a good build like any other.
        """
        reached = self.record()
        if self.box.kind in (EXITS, HANGS):
            first = next(i for i, point in enumerate(reached) if point.phase == "journal.upgrade.SWITCHED.after")
            reached = reached[first:]
        # The system's own call cannot fail.
        found = [p for p in sweep.choose(reached, fault, share) if (fault, p.name) != SYNC_FAILS]
        return sweep.spread(found, share)

    def strike(self, place: Place, fault: Fault, *, once: bool = False) -> str:
        """Run into a fault, recover, and return what does not hold.

        Args:
            once: a lack of space passes at once; else it lasts until the process ends.
        """
        self.reset()
        ended = child.run(lambda: self._struck(place, fault, once))
        reached = ended.status == child.KILLED if fault in _KILLS else bool(ended.answer)
        problem = ended.problem or ("" if reached else "it was not reached")
        return problem or self.judge(fault, reboot=fault is Fault.KILLED_AFTER)

    def _struck(self, place: Place, fault: Fault, once: bool) -> bool:
        self.box.install()
        strike = faults.Strike(self.box.programs, place, fault)  # type: ignore[arg-type]
        failpoints.install(lambda name: None if once and strike.struck else strike(name))
        with contextlib.suppress(OtaError):
            self.box.offer()
        return strike.struck

    def cuts(self, share: int) -> Iterator[tuple[str, str]]:
        """Cut the power at some of the moments that differ in what they leave, the last first.

        Gives the call before each, and what does not hold. Only for what the launcher takes no part in.
        """
        self.reset()
        output = self.box.directory.parent / "calls"
        options = ["-xx", "-s", str(_STRINGS_BYTES), "-e", "trace=" + ",".join(RECORDED)]
        _checked(strace.run(self._offered, options, output))
        _keep_main(output)
        calls = list(strace.parse(output))
        for name, step, names_kept in sweep.spread(_moments(self._replayed(), calls), share)[::-1]:
            replay = self._replayed()
            for call in calls[: step + 1]:
                replay.apply(call)
            replay._disk.write(self.box.directory, names_kept=names_kept)
            yield name, self.judge(Fault.POWER_CUT, reboot=True)

    def _offered(self) -> None:
        self.box.install()
        self.box.offer()

    def _replayed(self) -> Replay:
        self.reset()
        return Replay(Disk(self.box.directory))

    def judge(self, fault: Fault | None, *, reboot: bool) -> str:
        """Recover, and return what does not hold; an empty string if all does."""
        ended = child.run(lambda: self._judged(fault, reboot))
        return ended.problem or str(ended.answer)

    def _judged(self, fault: Fault | None, reboot: bool) -> str:
        box = self.box
        box.install()
        found = self._unguarded()
        if reboot:
            box.reboot()
        found = found or box.settle()
        last = box.last()
        if last is None or last.state == "CANCELLED":  # the fault came before its update was committed
            box.offer()
            found = found or box.settle()
        return found or self._problem(fault) or self._unsettled()

    def _unguarded(self) -> str:
        """The cause that could not be rolled back if only the launcher were left, or an empty string."""
        if damage := self.box.damage(OLD):
            return f"{damage} of the old build is damaged"
        last, is_led = self.box.last(), self.box.installation.current == NEW
        if is_led and (last is None or not last.proved_at) and not self.box.installation.trial_seconds:
            return "the new build is in use, and on no trial"
        return ""

    def _problem(self, fault: Fault | None) -> str:
        box, last = self.box, self.box.last()
        assert last is not None
        ends = {"PROVED"} if box.kind in (GOOD, SLOW) else {"RETURNED"}
        ends |= {"FAILED", "RETURNED"} if fault is Fault.ERROR else set()
        current = NEW if last.state == "PROVED" else OLD
        alarms = [text for text in box.alarms() if "for now" not in text]
        checks = {
            f"{last.state} ({last.reason}), expected {ends}": last.state in ends,
            f"{last.state}, but {box.installation.current} is in use": box.installation.current == current,
            f"{current} is damaged: {box.damage(current)}": not box.damage(current),
            f"{OLD} is damaged: {box.damage(OLD)}": not box.damage(OLD),
            f"{box.running} runs": box.running == current,
            "the trial is still on": not list(box.ota.glob("trial*")),
            f"the alarms {alarms}": len(alarms) == (last.state != "PROVED"),
            "told twice that it waits": len(box.alarms()) - len(alarms) <= 1,
            "half a build counts as whole": all(
                not box.installation.is_complete(v.name) or not box.damage(v.name)
                for v in (box.ota / "venvs").iterdir()
            ),
        }
        return "; ".join(problem for problem, holds in checks.items() if not holds)

    def _unsettled(self) -> str:
        before = self._everything()
        self.box.reboot()
        found = self.box.settle()
        return found or ("" if before == self._everything() else "recovering once more changed something")

    def _everything(self) -> tuple[object, ...]:
        return self.box.last(), self.box.alarms(), self.box.running, sorted(os.listdir(self.box.ota))


@contextlib.contextmanager
def bench(kind: str) -> Iterator[Bench]:
    """A bench for one kind of build."""
    directory = sweep.place() / f"ota-crash-upgrade-{os.getpid()}"  # removed by tests/crash, too
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    try:
        yield Bench(kind, directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _checked(ended: child.Ended) -> object:
    if ended.problem:
        raise RuntimeError(ended.problem)
    return ended.answer


def _keep_main(output: Path) -> None:
    """Keep only the calls of our own process: a launcher's count of starts is as if it were lost."""
    lines = output.read_text(errors="replace").splitlines()
    main = lines[0].split()[0]
    output.write_text("\n".join(line for line in lines if line.split()[0] == main))


def _moments(replay: Replay, calls: list[strace.Call]) -> list[tuple[str, int, bool]]:
    """Name, number in the recording, and whether names were kept: see tests/crash/power.py."""
    found, seen, numbers = [], set(), Counter()
    for step, call in enumerate(calls):
        if replay.apply(call):
            numbers[call.name] += 1
            for names_kept in (False, True):
                left = replay._disk.digest(names_kept=names_kept)
                if left not in seen:
                    seen.add(left)
                    found.append((f"{call.name}#{numbers[call.name]}", step, names_kept))
    return found
