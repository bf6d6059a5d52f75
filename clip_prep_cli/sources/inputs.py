"""The samples of the inputs: walked in sorted order, lazily, with what was passed over counted."""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from itertools import chain

from clip_prep_cli.common.threads import Ahead, result_of
from clip_prep_cli.errors import ClipPrepError
from clip_prep_cli.samples.records import Failure, Sample
from clip_prep_cli.samples.roots import Roots, innermost, is_within
from clip_prep_cli.sources.archive_walk import samples_in
from clip_prep_cli.sources.archives.kinds import is_archive
from clip_prep_cli.sources.files import LOCAL, STORES, Files, files_of
from clip_prep_cli.sources.local_walk import LocalWalk
from clip_prep_cli.sources.remote_inputs import RemoteInputs
from clip_prep_cli.sources.scope import Answer, InputRequest, Scope, SeenNames
from clip_prep_cli.sources.selection import Selection, Sieve

_NAMES_AHEAD = 256


Question = Future[Answer] | None
"""What is at the URL of a listed name; None: it is a path, which is looked at in its turn."""


class InputSamples:
    """The samples of the inputs.

    Iterating yields each sample once, however the inputs overlap, in an order that depends on
    the names alone; what cannot be listed or is not there comes as a failure in its place.
    """

    def __init__(self, request: InputRequest, selection: Selection, roots: Roots) -> None:
        self.waiting = request.waiting
        self._request = request
        self._scope = Scope(request, Sieve(selection), roots)
        self._walks: dict[Files, LocalWalk | RemoteInputs] = {
            LOCAL: LocalWalk(self._scope),
            STORES: RemoteInputs(self._scope),
        }
        named = dict.fromkeys(request.named)
        answers: dict[str, Answer] = {}
        for files, walk in self._walks.items():
            answers |= walk.named(name for name in named if files_of(name) is files)
        absolute = (files_of(name).absolute(name) for name in named)
        # What a store had not been asked about when the run was stopped is left out.
        self._inputs = {name: answers[name] for name in absolute if name in answers}
        for name, answer in self._inputs.items():
            (self._scope.directories if answer.is_directory else self._scope.files).add(name)
            directory = name if answer.is_directory else os.path.dirname(name)
            roots.add(directory, directory)
        self.ignored = self._scope.sieve.ignored
        """What a walk passed over, by suffix or by kind; grows with it."""
        self._archives = set(filter(is_archive, self._scope.files))

    def covers(self, path: str) -> bool:
        """Whether an absolute path is in a directory that is walked, or in a named archive."""
        return any(
            innermost(path, tops) is not None for tops in (self._scope.directories, self._archives)
        )

    def is_gone(self, path: str) -> bool:
        """Whether what was at a path that is covered has certainly been deleted.

        The walk must be over; of URLs, only it knows.
        """
        return self._walk(path).is_gone(path)

    def _walk(self, name: str) -> LocalWalk | RemoteInputs:
        return self._walks[files_of(name)]

    def __iter__(self) -> Iterator[Sample | Failure]:
        named = chain.from_iterable(self._samples(*each) for each in self._inputs.items())
        if self._request.listed is None:
            yield from named
            return
        seen = SeenNames()
        for found in chain(named, self._of_listed(self._request.listed)):
            sample = found.sample if isinstance(found, Failure) else found
            if seen.add(f"{sample.root}/{sample.path}"):
                yield found

    def _samples(self, path: str, answer: Answer) -> Iterator[Sample | Failure]:
        """Those of one input: in a directory, or a file, or, if it is an archive, in that."""
        walk = self._walk(path)
        if answer.is_directory:
            yield from walk.samples(path)
            return
        found = walk.sample(path, answer)
        if isinstance(found, Sample) and is_archive(path):
            self._archives.add(path)
            yield from samples_in(self._scope, found, path, os.path.basename(path))
        else:
            yield found

    def _of_listed(self, names: Iterable[str]) -> Iterator[Sample | Failure]:
        here = os.getcwd()
        for name, question in self._asked(iter(names)):
            files = files_of(name)
            answer = self._answer(name, question)
            if answer is None:
                return
            path = files.absolute(name)
            # Not the folder of each file: of those a list may have a million.
            self._scope.roots.add(path, here if is_within(path, here) else files.top(path))
            if answer.is_directory:
                self._scope.directories.add(path)
            yield from self._samples(path, answer)

    def _answer(self, name: str, question: Question) -> Answer | None:
        """What is there; None if it should stop before that is known."""
        if question is None:
            return Answer(files_of(name).is_directory(files_of(name).absolute(name)))
        try:
            return result_of(question, self.waiting.should_stop)
        except ClipPrepError:
            raise
        except Exception as error:  # noqa: BLE001 - it is what is known of this name
            return Answer(is_directory=False, file=error)

    def _asked(self, names: Iterator[str]) -> Iterator[tuple[str, Question]]:
        """Each name with the question what it is; from the first one on, questions go ahead."""
        for name in names:
            question = self._walk(name).ask(name)
            if question is None:
                yield name, None
                continue
            others = ((other, self._walk(other).ask(other)) for other in names)
            ahead = Ahead(chain([(name, question)], others), _NAMES_AHEAD)
            try:
                for item in ahead:
                    if item:
                        yield item
                    elif self.waiting.should_stop():
                        return
            finally:
                ahead.close()
