// pid_t vfork(void), around the two functions of vfork.cpp. Assembly, as it returns twice on one
// stack: the child's calls overwrite what the parent left below its caller's frame, so the return
// address and what has to be restored stay in registers, which the system call keeps for the
// parent.
//
// The object carries no mark for shadow stacks: the dynamic linker runs processes that load it without.
#if defined(__x86_64__)

        .text
        .globl  vfork
        .type   vfork, @function
        .hidden tenure_before_vfork
        .hidden tenure_after_vfork
vfork:
        .cfi_startproc
        subq    $8, %rsp
        .cfi_adjust_cfa_offset 8
        call    tenure_before_vfork
        addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        testl   %eax, %eax
        js      1f
        movl    %eax, %esi              // What to restore.
        popq    %rdi                    // The return address.
        .cfi_adjust_cfa_offset -8
        .cfi_register %rip, %rdi
        movl    $58, %eax               // SYS_vfork
        syscall
        pushq   %rdi
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rip, 0
        testq   %rax, %rax
        jz      2f
        movq    %rax, %rdi
        jmp     tenure_after_vfork
1:
        jmp     *fork@GOTPCREL(%rip)
2:
        ret
        .cfi_endproc
        .size   vfork, . - vfork

#endif

        .section .note.GNU-stack, "", %progbits
