// void *dlopen(const char *file, int mode): the next library's, without RTLD_DEEPBIND (dlopen.cpp). Assembly, as it must be entered
// by a jump: whose search path, namespace and $ORIGIN count, it tells by the address that it returns to.
//
// The object carries no mark for shadow stacks: the dynamic linker runs processes that load it without.
#if defined(__x86_64__)

        .text
        .globl  dlopen
        .type   dlopen, @function
        .hidden tenure_real_dlopen
        .hidden tenure_dlopen_mask
        .hidden tenure_find_dlopen
dlopen:
        .cfi_startproc
        movq    tenure_real_dlopen(%rip), %rax
        testq   %rax, %rax
        jz      1f
0:
        andl    tenure_dlopen_mask(%rip), %esi
        jmp     *%rax
1:
        pushq   %rdi
        .cfi_adjust_cfa_offset 8
        pushq   %rsi
        .cfi_adjust_cfa_offset 8
        subq    $8, %rsp
        .cfi_adjust_cfa_offset 8
        call    tenure_find_dlopen
        addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        popq    %rsi
        .cfi_adjust_cfa_offset -8
        popq    %rdi
        .cfi_adjust_cfa_offset -8
        testq   %rax, %rax
        jnz     0b
        ret                             // NULL: there is none.
        .cfi_endproc
        .size   dlopen, . - dlopen

#endif

        .section .note.GNU-stack, "", %progbits
