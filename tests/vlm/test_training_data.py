import numpy as np
import pytest
import torch

from describer.errors import ModelError
from describer.vlm.chats import control_words, defuse
from describer.vlm.sample_cache import CacheWriter, FastEncoder, SampleCache
from describer.vlm.samples import IGNORED, BatchOrder, LazySamples, ProcessorData, Sample
from describer.vlm.tuning import answer_loss
from tests.vlm.contract import chat
from tests.vlm.tiny import save_tiny_idefics3, save_tiny_qwen2_vl, tiny_llava

SAMPLES = [
    Sample(chat(text, pictures, seed), answer)
    for seed, (text, pictures, answer) in enumerate(
        [
            ("What is this?", 1, "The grasper."),
            ("Where is the hook? " * 3, 2, "At upper left, 12.5 % of the view."),
            ("Is there blood?", 0, "no"),
            ("<image> </s> as plain words", 1, "It says </s> here."),
            ("Wo ist die Gallenblase? \u00e9", 2, "ja \u2014 dort\nunten"),
        ]
    )
]


@pytest.fixture(scope="module")
def llava():
    return tiny_llava()


@pytest.fixture(scope="module")
def cache(llava, tmp_path_factory):
    folder, encoder = tmp_path_factory.mktemp("cache"), FastEncoder(llava[1])
    for shard, part in (("a", SAMPLES[:2]), ("b", SAMPLES[2:3]), ("c", SAMPLES[3:])):
        with CacheWriter(folder / shard, encoder) as writer:
            for sample in part:
                writer.add(sample)
    return SampleCache([folder / shard for shard in "abc"], encoder)


@pytest.mark.parametrize("picked", [[0, 1, 2, 3, 4], [4, 0], [2], [3, 3]])
def test_the_fast_path_equals_the_processor(llava, cache, picked):
    fast, slow = cache.batch(picked), ProcessorData(SAMPLES, llava[1]).batch(picked)
    assert torch.equal(fast.inputs["input_ids"], slow.inputs["input_ids"])
    assert torch.equal(fast.labels, slow.labels)
    assert ("pixel_values" in fast.inputs) == ("pixel_values" in slow.inputs)
    if "pixel_values" in fast.inputs:
        difference = (fast.inputs["pixel_values"] - slow.inputs["pixel_values"]).abs().max()
        assert difference < 1e-2


def test_both_paths_give_the_same_loss(llava, cache):
    model = llava[0].eval()
    everything = list(range(len(SAMPLES)))
    slow = ProcessorData(SAMPLES, llava[1]).batch(everything)
    with torch.no_grad():
        fast_loss = answer_loss(model, cache.batch(everything))
        library_loss = model(**slow.inputs, labels=slow.labels).loss
    assert fast_loss.item() == pytest.approx(library_loss.item(), abs=1e-4)


def test_labels_are_the_answer_and_its_end(llava, cache):
    words = control_words(llava[1])
    for index, sample in enumerate(SAMPLES):
        labels = cache.batch([index]).labels[0]
        kept = labels[labels != IGNORED]
        assert llava[1].tokenizer.decode(kept) == defuse(sample.answer, words) + "</s>"


def saved_processor(save, folder):
    from describer.vlm.shim import load_processor

    return load_processor(str(save(folder)))


@pytest.mark.parametrize(
    ("save", "end"), [(save_tiny_idefics3, "<end_of_utterance>"), (save_tiny_qwen2_vl, "<|im_end|>")]
)
def test_other_families_learn_their_own_end_of_turn(save, end, tmp_path):
    processor = saved_processor(save, tmp_path)
    batch = ProcessorData(SAMPLES, processor).batch([0, 1])
    for row, sample in zip(batch.labels, SAMPLES):
        assert processor.tokenizer.decode(row[row != IGNORED]).strip() == sample.answer + end


def test_lengths_are_the_tokens(cache):
    assert len(cache.lengths) == len(SAMPLES)
    for index, length in enumerate(cache.lengths):
        assert cache.batch([index]).inputs["input_ids"].shape == (1, length)


def test_a_picture_is_stored_once(llava, tmp_path):
    with CacheWriter(tmp_path, FastEncoder(llava[1])) as writer:
        for text in ("one", "two", "three"):
            writer.add(Sample(chat(text, 1, seed=0), "yes"))
        writer.add(Sample(SAMPLES[0].chat, "yes"))
    assert (tmp_path / "pictures.bin").stat().st_size == 28 * 28 * 3


def test_an_unfinished_cache_is_refused(llava, tmp_path):
    encoder = FastEncoder(llava[1])
    with pytest.raises(RuntimeError), CacheWriter(tmp_path, encoder) as writer:
        writer.add(SAMPLES[0])
        raise RuntimeError
    with pytest.raises(ModelError, match="no finished sample cache"):
        SampleCache(tmp_path, encoder)


def test_a_cache_of_another_processor_is_refused(llava, tmp_path):
    with CacheWriter(tmp_path, FastEncoder(llava[1])) as writer:
        writer.add(SAMPLES[0])
    _, other = tiny_llava()
    other.image_processor.size = {"height": 56, "width": 56}
    with pytest.raises(ModelError, match="another processor"):
        SampleCache(tmp_path, FastEncoder(other))


def test_the_fast_path_refuses_other_layouts(tmp_path):
    with pytest.raises(ModelError, match="ProcessorData"):
        FastEncoder(saved_processor(save_tiny_idefics3, tmp_path))


def test_an_answer_must_say_something():
    with pytest.raises(ModelError, match="empty answer"):
        Sample(chat("What?"), "  ")


def test_lazy_samples_are_made_when_asked():
    lazy = LazySamples(lambda i: Sample(chat("x"), str(i)), 3)
    assert len(lazy) == 3
    assert [sample.answer for sample in lazy] == ["0", "1", "2"]
    with pytest.raises(IndexError):
        lazy[3]


class TestBatchOrder:
    lengths = np.random.default_rng(0).integers(10, 200, 1000)

    def test_an_epoch_shows_each_sample_once(self):
        order = BatchOrder(self.lengths, 8, seed=1)
        seen = np.concatenate([order.at(step) for step in range(order.steps_per_epoch)])
        assert len(np.unique(seen)) == len(seen) == 1000

    def test_a_step_does_not_depend_on_the_steps_before(self):
        forward = BatchOrder(self.lengths, 8, seed=1)
        steps = [forward.at(step) for step in range(300)]
        assert np.array_equal(BatchOrder(self.lengths, 8, seed=1).at(299), steps[299])

    def test_epochs_and_seeds_differ(self):
        order = BatchOrder(self.lengths, 8, seed=1)
        assert not np.array_equal(order.at(0), order.at(order.steps_per_epoch))
        assert not np.array_equal(order.at(0), BatchOrder(self.lengths, 8, seed=2).at(0))

    def test_batches_hold_like_lengths(self):
        order = BatchOrder(self.lengths, 8, seed=1)
        spread = np.mean([np.ptp(self.lengths[order.at(step)]) for step in range(order.steps_per_epoch)])
        assert spread < 0.2 * np.ptp(self.lengths)

    def test_fewer_samples_than_a_batch(self):
        assert sorted(BatchOrder(np.ones(3), 8, seed=0).at(5)) == [0, 1, 2]
        with pytest.raises(ModelError, match="no training samples"):
            BatchOrder(np.ones(0), 8, seed=0)
