"""Tests that repeat for another task or kind what some always show: `slow`.

They run by `-m slow`, as those do that are so marked where they stand. One
place says which, so that a run of all others stays well within its time.
"""

import re

import pytest

_OTHER_TASKS = (
    "token_classification|question_answering|multiple_choice|embedding|"
    "summarization"
)
# Patterns of test ids.
PATTERNS = [
    r"portable/test_tasks\.py::test_(probabilities|equals_the_model\[(embed|token))",
    r"word_piece/test_tasks\.py::test_served_equals_predicted",
    r"test_toy\.py::test_serves\[windows",
    r"test_precision\.py::test_quantized_model_is_exported",
    r"test_contract\.py::test_quantized\[text_classification",
    r"test_contract\.py::test_hugging_face_and_back\[question_answering",
    r"test_contract\.py::test_fits\[text_classification-False",
    r"test_served_equals_predicted\.py::test_(special_tokens_in_texts\[windows|"
    r"an_export_reads_no_other)",
    r"(text_classification/test_served\.py::test_several_labels|"
    r"token_classification/test_served\.py::test_words)",
    r"test_problem_types\.py::test_hugging_face_and_back\[regression",
    r"test_signatures\.py::test_bfloat16_and_a_softmax",
    r"test_verify\.py::test_without_the_extra",
    r"test_native_export\.py::test_only_native_signatures",
    r"test_wire\.py::test_masks_are_joined_across_batches",
    r"test_distribute\.py::test_mirrored_strategy_gives_the_same_numbers",
    r"test_predict\.py::test_tells_every_tasks_answers\[(embeddings|words)",
    r"test_sanitizers\.py::test_no_step_outside_a_buffer",
    # In Triton's interpreter.
    r"test_gpu_kernels\.py::(test_any_number_of_programs|test_matches_reference"
    r"\[dilation-(3|4|more-than-n|per-head-mixed))",
    # The alphabet of any characters has theirs too.
    r"byte_pair/test_exactness\.py::test_small_vocabulary\[(?!any|special)",
    r"byte_pair/test_exactness\.py::test_random_texts\[(numbers|contractions|"
    r"blanks|wide|sentinels|control)",
    r"byte_pair/test_exactness\.py::test_special_tokens_in_text\[\w+-("
    r"contractions|whitespace)",
    # Examples that are a part of others, or repeat a test.
    r"test_examples\.py::test_runs\[(docs/tasks\.md 0|.*(training_windows|"
    r"distribution_strategy|enable_lora|predict_windows) 0)",
    r"test_served_equals_predicted\.py::test_(pairs_have_two|a_subclass_that_mar)",
    r"test_token_types\.py::test_they_are_served_and_kept",
    r"test_precision\.py::test_quantized_files\[text_classification-int8",
    r"test_problem_types\.py::test_regression\[False-mixed",
    r"test_tasks\.py::test_rematerialized_fit",
    r"question_answering/test_model\.py::test_learns_and_answers_from",
    r"question_answering/test_served\.py::test_answers_are_those_of_the_task",
    r"serving/test_export\.py::test_masked_lm",
    r"serving/test_signatures\.py::test_too_many_masks",
    r"test_precision\.py::test_mixed_masked_lm_is_exported",
    r"test_wire\.py::test_a_server_without_xla",
    r"test_finetune\.py::test_other_tasks_of_tables\[multiple_choice",
    r"test_block\.py::test_rematerialization_changes_no_gradient\[float32-jit",
    r"test_attention_in_keras\.py::test_fit_and_save\[True",
    r"tasks/test_contract\.py::test_saved_and_loaded\[preset-question",
    # Every task is fitted, served and saved in tests/tasks/test_*.py.
    r"multiple_choice/test_model\.py::test_fit_on_questions\[candidates",
    r"multiple_choice/test_model\.py::test_saved_and_loaded\[preset-cand",
    r"multiple_choice/test_model\.py::test_hugging_face_and_back\[False",
    r"(multiple_choice/test_served\.py::test_choices|masked_lm/test_served\.py::"
    r"test_global_start|embedding/test_served\.py::test_embeddings)",
    r"embedding/test_model\.py::test_fit_on_pairs\[similarity-False-float32",
    rf"test_precision\.py::test_quantized_files\[({_OTHER_TASKS}|masked_lm)",
    r"test_precision\.py::test_adapters_and_quantized_kernels",
    r"test_precision\.py::test_a_call_is_a_prediction\[.*question_answering",
    r"test_keras_hub_checks\.py::test_model\[(token|multiple|embedding)",
    r"test_token_types\.py::.*predicts_without_them\[(token|multiple|emb)",
    r"test_fit_inputs\.py::test_the_same_from_every_kind\[(multiple|embed)",
    r"test_fit_inputs\.py::test_fits_and_predicts",
    rf"test_contract\.py::test_saved_and_loaded\[.*h5-({_OTHER_TASKS})\]",
    r"test_contract\.py::test_hugging_face_and_back\[(token|embedding)",
    r"test_kinds\.py::test_opens\[(roberta, (BPE|other)|longformer, (float16|"
    r"padded|question|module|two|tokenizer\.json))",
    r"test_kinds\.py::test_opens\[(camembert|xlm-roberta\])",
    r"test_families\.py::test_encoder\[(roberta|xlm|camembert|bert_relu)",
    r"sentence_piece/test_exactness\.py::test_(other_models|large_texts)",
    r"word_piece/test_exactness\.py::test_random_texts\[(no|chinese)",
    r"byte_pair/test_hugging_face\.py::test_equal.*\[(fast|slow), ",
    r"test_precision\.py::test_adapters_alone",
    r"multiple_choice/test_model\.py::test_fit_on_questions\[choices-(True|"
    r"False-mixed)",
    r"test_problem_types\.py::test_saved_and_loaded",
    r"test_served_equals_predicted\.py::test_a_subclass_that_reads_otherwise\["
    r"(truncate|head_tail)",
    r"test_served_equals_predicted\.py::test_special_tokens_in_texts\[trunc",
    r"test_served_equals_predicted\.py::test_every_task_in_every_way\[(token|"
    r"embedding)\w*-(windows|head_tail)",
    # Each way of reading and each task stay: not each task in each way.
    r"test_served_equals_predicted\.py::test_every_task_in_every_way\[("
    r"text_classification-(truncate|head_tail)|question_answering-truncate|"
    r"masked_lm-head_tail)",
    r"tasks/test_contract\.py::test_fits\[question_answering-(True|False-mix)",
    r"test_contract\.py::test_saved_and_loaded\[task\.keras-(token|embedding)",
    # tests/tasks/multiple_choice has its own.
    r"test_contract\.py::test_saved_and_loaded\[.*multiple_choice",
    r"test_contract\.py::test_hugging_face_and_back\[multiple_choice",
    # tests/tasks/test_contract.py fits on choices.
    r"multiple_choice/test_model\.py::test_fit_on_questions\[choices-False",
    r"multiple_choice/test_model\.py::test_saved_and_loaded\[("
    r"task\.keras-candidates|preset-choices)",
    r"test_precision\.py::test_dtype_policies_are_kept\[masked_lm-bfloat16",
    r"test_precision\.py::test_adapters_are_merged_into_files\[masked_lm",
    r"test_problem_types\.py::test_several_labels\[sigmoid",
    r"test_problem_types\.py::test_hugging_face_and_back\[single_label",
    r"cli/test_predict\.py::test_goes_on_after_the_last_whole_row\[jsonl",
    r"test_block\.py::test_rematerialization_changes_no_gradient\[mixed.*jit",
    r"test_gpu_compile\.py::test_attention_with_gradients_becomes_kernels\["
    r"(a100|l4)",
    r"test_window_attention\.py::test_compiles\[chunked-positions-(?!causal)",
    r"test_window_attention\.py::test_unknown_batch_and_length\[chunked-"
    r"positions-(?!dilation-per)",
    # Of the heads, those whose weights lie as another's do.
    r"checkpoints/test_heads\.py::test_both_ways\[For(MultipleChoice|Question|"
    r"Token)",
    r"toy/test_toy\.py::test_serves\[(head_tail|truncate)",
    # tests/tasks/test_contract.py fits each task, and one with XLA.
    r"embedding/test_model\.py::test_fit_on_pairs\[ranking-True",
    r"test_problem_types\.py::test_regression\[True",
    r"question_answering/test_model\.py::test_fit_on_strings\[(True|False-mix)",
    r"token_classification/test_model\.py::test_fit_and_decode\[(True|"
    r"False-mixed)",
    # tests/tasks/summarization fits, keeps, serves and fine-tunes one.
    r"test_(precision|keras_hub_checks|token_types|fit_inputs|"
    r"served_equals_predicted)\.py::.*summarization",
    r"test_contract\.py::test_(fits|saved_and_loaded|misspelt)\S*"
    r"\[.*summarization",
    r"summarization/test_model\.py::test_(rematerialized|samplers\[(Ker|top_k)|"
    r"no_beam)",
    r"summarization/test_served\.py::test_(one_loop|time_is_up|a_difference|"
    r"a_folder)",
    r"summarization/test_finetuning\.py::test_runs",
    r"summarization/test_transformers\.py::test_generates_as_theirs_once",
    # tests/serving has the same with byte pairs.
    r"serving/test_sentence_piece\.py::test_served_equals_predicted",
    r"serving/test_signatures\.py::test_embed_of_a_masked_lm",
    r"embedding/test_model\.py::test_fit_on_pairs\[ranking-False-mixed",
    r"models/test_plain_errors\.py::test_of_a_model\[long",
    r"test_quiet\.py::test_training_warns_of_nothing",
    r"test_build\.py::test_unknown_instructions",
    r"test_contract\.py::test_saved_and_loaded\[task\.keras-question",
    r"test_served_equals_predicted\.py::test_head_tail_in_fit_and_predict",
    r"cli/test_predict\.py::test_one_bad_text",
    r"text_classification/test_problem_types\.py::test_several_labels\[None",
    # What other pages and tests run as well.
    r"test_examples\.py::test_runs\[(docs/(summarization\.md 0|char_lm\.md 2)|"
    r"\S*(models/portable|serving/verify|explanations/maps|"
    r"explanations/fields)\.py )",
    # docs/serving.md and docs/coming_from_hugging_face.md do the same.
    r"test_examples\.py::test_runs\[keras_longformer/(weights/hugging_face\.py "
    r"save_hugging_face|serving/export\.py export_saved_model) 0",
    r"test_examples\.py::test_runs\[docs/attention\.md 0",
    r"embedding/test_model\.py::test_fit_on_pairs\[ranking-False-mixed",
    r"test_plain_errors\.py::test_of_a_model\[marked",
    r"text_classification/test_served\.py::test_numbers",
    r"test_signatures\.py::test_embed_of_a_masked_lm_has_no_global",
    r"question_answering/test_served\.py::test_the_folder_is_whole",
]
_SLOW = re.compile("|".join(PATTERNS))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if _SLOW.search(item.nodeid):
            item.add_marker(pytest.mark.slow)
