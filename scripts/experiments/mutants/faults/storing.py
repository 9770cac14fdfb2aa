"""Faults in the datastore, the reading of volumes, inference and what is published to a file."""

from experiments.mutants.fault import Fault

_STORE = "tests/datastore/test_submission.py"
_KINDS = "tests/datastore/test_kinds.py"
_PROPOSALS = "tests/datastore/test_proposals.py"
_PREDICT = "tests/inference/test_predict.py"

STORING = (
    Fault(
        "a label is laid on its image without its geometry",
        "datastore/submission.py",
        "to_label[:3, :3],\n        offset=to_label[:3, 3],",
        "np.eye(3),\n        offset=np.zeros(3),",
        _STORE,
    ),
    Fault(
        "a resampled label is interpolated",
        "datastore/submission.py",
        "order=0,",
        "order=1,",
        "tests/datastore/test_submission.py::test_values_of_a_resampled_label_are_those_that_were_sent",
    ),
    Fault(
        "a label of another image is accepted",
        "datastore/submission.py",
        "if share < _LEAST_INSIDE or not",
        "if False and not",
        _STORE,
    ),
    Fault(
        "values are stored as they were sent and not by their names",
        "datastore/submission.py",
        "array, by_name = remap(array, label_info, named)",
        "_, by_name = remap(array, label_info, named)",
        _STORE,
    ),
    Fault(
        "what a client says of a kind is not checked",
        "datastore/store.py",
        "said, classes = said_kind(params), self._workspace.classes()",
        'said, classes = params.get("kind"), self._workspace.classes()',
        _KINDS,
    ),
    Fault(
        "a client's word goes before what was found",
        "datastore/kinds.py",
        "return min(first, second or first, key=KINDS.index)",
        "return second or first",
        _KINDS,
    ),
    Fault(
        "labels from before kinds were all drawn",
        "datastore/kinds.py",
        "if entry is not None and nothing_was_changed(entry):",
        "if False:",
        _KINDS,
    ),
    Fault(
        "a model may store a submitted label",
        "datastore/kinds.py",
        'if str(tag).strip(" .").casefold() == _FINAL:',
        "if False:",
        _KINDS,
    ),
    Fault(
        "every label of a case that got a proposal is accepted",
        "datastore/proposals.py",
        "return ACCEPTED if _is_one_of(known, array, list(classes)) else CORRECTED",
        "return ACCEPTED",
        _PROPOSALS,
    ),
    Fault(
        "proposals are forgotten with a restart",
        "datastore/proposals.py",
        'write_json(self._file(case), {"case": case, "proposals": kept})',
        "self._unwritten[case] = kept",
        _PROPOSALS,
    ),
    Fault(
        "proposals are compared by value and not by name",
        "datastore/proposals.py",
        "order = () if classes[: len(former)] == former else tuple(former)",
        "order = ()",
        _PROPOSALS,
    ),
    Fault(
        "undo restores nothing",
        "datastore/undo.py",
        "replace_bytes(place, content)",
        "pass",
        "tests/datastore/test_undo.py",
    ),
    Fault(
        "undo removes the label that it should restore",
        "datastore/undo.py",
        'if kept["extension"] is None:',
        'if kept["extension"] is not None:',
        "tests/datastore/test_undo.py",
    ),
    Fault(
        "undo overwrites a label that was changed by hand",
        "datastore/undo.py",
        'if kept.get("replaced_by") != _digest(',
        'if kept.get("replaced_by") == _digest(',
        "tests/datastore/test_undo.py",
    ),
    Fault(
        "undo can be asked for twice",
        "datastore/undo.py",
        "                self._restore(image_id, kept)\n"
        "                self._undo_file(image_id).unlink(missing_ok=True)",
        "                self._restore(image_id, kept)",
        "tests/datastore/test_undo.py",
    ),
    Fault(
        "unlabelled images are the labelled ones",
        "datastore/index.py",
        "if FINAL not in entry.labels]",
        "if FINAL in entry.labels]",
        "tests/datastore/test_undo.py",
    ),
    Fault(
        "a child process may submit a label",
        "datastore/index.py",
        "        if self._read_only:\n            raise Refusal(f",
        "        if False:\n            raise Refusal(f",
        "tests/datastore/test_index.py",
    ),
    Fault(
        "the likeliest class is taken before the way back to the grid",
        "inference/predict.py",
        "labels = restored.argmax(0).to(torch.uint8)",
        "labels = restored.argmin(0).to(torch.uint8)",
        _PREDICT,
    ),
    Fault(
        "a prediction stays on the working grid",
        "inference/predict.py",
        'restored = restoring(steps.steps)(data)["pred"]',
        'restored = data["pred"]',
        _PREDICT,
    ),
    Fault(
        "seams between crops",
        "inference/predict.py",
        'mode="gaussian"',
        'mode="constant"',
        _PREDICT,
    ),
    Fault(
        "probabilities over space",
        "inference/predict.py",
        "torch.softmax(logits[0].float(), 0)",
        "torch.softmax(logits[0].float(), 1)",
        _PREDICT,
    ),
    Fault(
        "uncertainty of the first member alone",
        "inference/predict.py",
        "normalised_entropy(mean_prediction(predicted))",
        "normalised_entropy(predicted[0])",
        "tests/inference/test_uncertainty_map.py",
    ),
    Fault(
        "a prediction of an older model is used again",
        "inference/recent.py",
        'stamp(image), card.get("version"), card.get("time")',
        "stamp(image)",
        "tests/inference/test_recent.py",
    ),
    Fault(
        "the oldest predictions are kept for ever",
        "inference/recent.py",
        "self._packed.popitem(last=False)",
        "self._packed.popitem(last=True)",
        "tests/inference/test_recent.py::test_only_a_few_are_kept_and_none_that_is_large",
    ),
    Fault(
        "a published model that does not fit is loaded as far as it goes",
        "published.py",
        "network.load_state_dict(weights, strict=True)",
        "network.load_state_dict(weights, strict=False)",
        "tests/test_published.py",
    ),
    Fault(
        "a published model is loaded in training mode",
        "published.py",
        "network.to(device).eval()",
        "network.to(device).train()",
        "tests/test_published.py",
    ),
)
