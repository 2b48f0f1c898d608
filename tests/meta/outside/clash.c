/* SPDX-License-Identifier: MIT */
/*
 * A program that has functions with the names of those inside libweir.a, and must keep its own.
 * llhttp is inside where it was built from sources; where it is a library of the system, its names
 * are taken as those of every library are.
 */
#ifdef LLHTTP_IS_INSIDE
int llhttp_execute(int a);

int llhttp_execute(int a)
{
    return a;
}
#endif

int weir_assert_fail(int a);

int weir_assert_fail(int a)
{
    return a;
}
