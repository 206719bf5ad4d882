"""From passages found to an answer that can be trusted.

text, facts     words, numbers with units, codes, names: what code can compare
sentences       where sentences begin and end
evidence        pieces of passages that can be quoted, ranked for a question
prompt          whole passages, fenced, within the model's window
verify          a sentence with citations that hold, or why not
abstain         the probability that the passages answer the question
routing         which documents a question names ("Q3 2022", "the latest report")
generate        answer(): all of it
"""
