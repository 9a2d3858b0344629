"""The text of a kernel as C++ for the processor, with what it takes from CUDA in ``cuda.h``."""

import re


def for_the_processor(text):
    """Return the text with shared memory, copies and tensor cores as those of the header."""
    extern = r"extern __shared__ (?:__align__\(16\) )?(\w+) (\w+)\[\];"
    text = re.sub(extern, r"\1* \2 = (\1*)own_shared();", text).replace("__shared__", "static")
    text = re.sub(
        r"(template <int BYTES> .*?void copy\(void\* to, const void\* from\) )\{.*?\n\}\n",
        r"\1{ copy_async(to, from, BYTES); }\n",
        text,
        flags=re.DOTALL,
    )
    text = re.sub(
        r"(void multiply_add\(double \(&sums\)\[4\], const double\* a, const double\* b\) )\{.*?\n\}\n",
        r"\1{ mma(sums, a, b, DEPTH); }\n",
        text,
        flags=re.DOTALL,
    )
    text = re.sub(
        r"(void multiply_add\(double \(&sums\)\[2\], double a, double b\) )\{.*?\n\}\n",
        r"\1{ mma(sums, a, b); }\n",
        text,
        flags=re.DOTALL,
    )
    text = text.replace('asm volatile("cp.async.commit_group;");', "commit_group();")
    text = re.sub(r'asm volatile\("cp.async.wait_group (\d+);"\);', r"wait_group(\1);", text)
    return re.sub(r'asm volatile\("cp.async.wait_group %0;" :: "n"(\(.*\))\);', r"wait_group\1;", text)
