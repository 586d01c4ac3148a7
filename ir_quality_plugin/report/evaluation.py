def write_report(path, *a): path.write_text("x"); return path
