// dlopen_x86_64.S for aarch64.
#if defined(__aarch64__)

        .text
        .globl  dlopen
        .type   dlopen, %function
        .hidden tenure_real_dlopen
        .hidden tenure_dlopen_mask
        .hidden tenure_find_dlopen
dlopen:
        .cfi_startproc
        adrp    x16, tenure_real_dlopen
        add     x16, x16, :lo12:tenure_real_dlopen
        ldar    x16, [x16]
        cbz     x16, 1f
0:
        adrp    x17, tenure_dlopen_mask
        ldr     w17, [x17, :lo12:tenure_dlopen_mask]
        and     w1, w1, w17
        br      x16
1:
        stp     x29, x30, [sp, #-32]!
        .cfi_adjust_cfa_offset 32
        .cfi_rel_offset x29, 0
        .cfi_rel_offset x30, 8
        stp     x0, x1, [sp, #16]
        bl      tenure_find_dlopen
        mov     x16, x0
        ldp     x0, x1, [sp, #16]
        ldp     x29, x30, [sp], #32
        .cfi_adjust_cfa_offset -32
        .cfi_restore x29
        .cfi_restore x30
        cbnz    x16, 0b
        mov     x0, xzr                 // There is none.
        ret
        .cfi_endproc
        .size   dlopen, . - dlopen

#endif

        .section .note.GNU-stack, "", %progbits
