/* SPDX-License-Identifier: MIT */
/* A program that has functions with the names of those inside libweir.a, and must keep its own. */
int llhttp_execute(int a);
int weir_assert_fail(int a);

int llhttp_execute(int a)
{
    return a;
}

int weir_assert_fail(int a)
{
    return a;
}
