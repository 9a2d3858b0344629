"""The text of a kernel as C++ for the processor, with what it takes from CUDA in ``cuda.h``."""

import re


def for_the_processor(text):
    """Return the text with copies and tensor cores as functions, and without instructions that only order them."""
    text = re.sub(
        r"(template <int BYTES> .*?void copy\(void\* to, const void\* from\) )\{.*?\n\}\n",
        r"\1{ std::memcpy(to, from, BYTES); }\n",
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
    return re.sub(r'asm volatile\("[^"]*"[^;]*\);', ";", text)
