// vfork_x86_64.S for aarch64.
#if defined(__aarch64__)

        .text
        .globl  vfork
        .type   vfork, %function
        .hidden tenure_before_vfork
        .hidden tenure_after_vfork
vfork:
        .cfi_startproc
        stp     x29, x30, [sp, #-16]!
        .cfi_adjust_cfa_offset 16
        .cfi_rel_offset x29, 0
        .cfi_rel_offset x30, 8
        bl      tenure_before_vfork
        ldp     x29, x30, [sp], #16
        .cfi_adjust_cfa_offset -16
        .cfi_restore x29
        .cfi_restore x30
        tbnz    w0, #31, 1f
        mov     w9, w0                  // What to restore; the return address is in x30.
        mov     x0, #0x4111             // CLONE_VFORK | CLONE_VM | SIGCHLD
        mov     x1, xzr                 // The child goes on with the same stack.
        mov     x2, xzr
        mov     x3, xzr
        mov     x4, xzr
        mov     x8, #220                // SYS_clone
        svc     #0
        cbz     x0, 2f
        mov     w1, w9
        b       tenure_after_vfork
1:
        b       fork
2:
        ret
        .cfi_endproc
        .size   vfork, . - vfork

#endif

        .section .note.GNU-stack, "", %progbits
