/*
 * branches: what an indirect call costs that goes to another place each time, in ns: mean of 50 ms.
 *
 * Where the processor guesses where it goes, 1 to 3. Where it may not, 13: a kernel or a hypervisor has it switched
 * off, or, as some processors guess for neither of a core's two threads while one of them may not, whoever runs on the
 * other. Interpreters are made of such calls, and so are libraries in C++ and the ways into the kernel: a server costs
 * two to four times as much then, whatever it is written in.
 */
#include <stdio.h>
#include <time.h>

enum { BATCH = 10000, PLACES = 4 };
static const double LONG_NS = 50e6;

static unsigned plus(unsigned x) { return x + 1; }
static unsigned times(unsigned x) { return x * 3; }
static unsigned turned(unsigned x) { return x ^ 5; }
static unsigned minus(unsigned x) { return x - 7; }

/* Volatile: the compiler shall not know them. */
static unsigned (*volatile places[PLACES])(unsigned) = {plus, times, turned, minus};
static volatile unsigned result;

static double now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

int main(void) {
    double began = now_ns();
    long calls = 0;
    unsigned value = 0;
    while (now_ns() - began < LONG_NS)
        for (long end = calls + BATCH; calls < end; calls++) value = places[calls % PLACES](value);
    printf("%.1f\n", (now_ns() - began) / calls);
    result = value;
}
