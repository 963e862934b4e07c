"""What the sender of a job should know, though the job can be run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from app.datasets.reading.profile import Notice
from app.jobs.schemas import JobSpec
from app.models.signature import Signature

_CARRIED_BY = frozenset({"parameter", "combined"})
_CARRYING_ARMS = frozenset({"source_frozen", "structure_with_parameters"})

_MOST = 20
"""Columns that are told of one by one."""

_NARROWER: Mapping[frozenset[str], str] = {
    frozenset({"boolean", "number"}): "boolean",
    frozenset({"number", "category"}): "number",
    frozenset({"boolean", "category"}): "boolean",
    frozenset({"date", "category"}): "date",
}
"""As what both files may be read, if their cells allow it."""


def notices(
    spec: JobSpec, learnt: Sequence[Signature], target: Signature, *, source_is_dataset: bool
) -> list[Notice]:
    """Columns that source and target have, but as other types: what was learnt of them is not carried.

    `learnt` is what each source's network reads. Nothing is told of a method that carries no column.
    """
    carries = spec.method.kind in _CARRIED_BY or _CARRYING_ARMS & set(spec.evaluation.arms)
    if not carries or not learnt:
        return []
    ours = {column.name: column.type for column in target.columns}
    apart = [column for column in learnt[0].columns if ours.get(column.name, column.type) != column.type]
    told = [
        Notice(
            code="type_differs",
            column=column.name,
            message=_message(column.name, column.type, ours[column.name], source_is_dataset),
        )
        for column in apart[:_MOST]
    ]
    if len(apart) > _MOST:
        names = ", ".join(column.name for column in apart[_MOST : 10 * _MOST])
        message = f"{len(apart) - _MOST} more columns have another type in the target, such as {names}."
        told.append(Notice(code="type_differs", message=message))
    return told


def same_data(target: str, trained_on: Sequence[str]) -> list[Notice]:
    """Data sets that something in the transfer was or will be trained on, and that are the target's own.

    All are `name@version`.
    """
    name = target.rpartition("@")[0]
    same = [one for one in dict.fromkeys(trained_on) if one.rpartition("@")[0] == name]
    if not same:
        return []
    is_ = "the target itself" if same == [target] else f"the data set of the target, {target}"
    message = (
        f"The source was or will be trained on {_and(same)}, {is_}. Test rows of the target that are among "
        "its train or validation rows are left out of the comparison, and such validation rows choose "
        "nothing. If too few remain for a verdict, use a target that shares no rows with the source."
    )
    return [Notice(code="source_shares_target", message=message)]


def _and(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _message(name: str, theirs: str, ours: str, source_is_dataset: bool) -> str:
    told = (
        f"{name}: {theirs} in the source, {ours} in the target. To the job these are two columns: what the "
        "source learnt of its own is not carried."
    )
    wanted = _NARROWER.get(frozenset({theirs, ours}), theirs)
    if wanted == ours and source_is_dataset:
        return f"{told} To have it carried, upload the source again with {_types(name, ours)}."
    named = f"; a cell that is no {theirs} is named then" if wanted == theirs and ours == "category" else ""
    return f"{told} To have it carried, upload the target again with {_types(name, theirs)}{named}."


def _types(name: str, column_type: str) -> str:
    """The form field as it is sent."""
    return f"`types={json.dumps({name: column_type}, ensure_ascii=False)}`"
