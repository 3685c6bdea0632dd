def read_files(files):
    return None


def write_files(tokenizer, n):
    return {}
