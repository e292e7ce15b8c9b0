package network

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// vdso is the code that the kernel maps into every process, as it is in this one.
type vdso []byte

// change is code for a place in it.
type change struct {
	offset uint64
	code   []byte
}

func ownVDSO() (vdso, error) {
	start, end, err := mapping("self")
	if err != nil {
		return nil, err
	}
	memory, err := os.Open("/proc/self/mem")
	if err != nil {
		return nil, err
	}
	defer memory.Close()
	code := make(vdso, end-start)
	_, err = memory.ReadAt(code, int64(start))
	return code, err
}

// patch makes the changes that step the clock, the entries last: each jumps to code
// of ours, which lies where the vDSO has only zeros. It asks the kernel, and adds.
func (v vdso) patch(seconds int64) ([]change, error) {
	file, err := elf.NewFile(bytes.NewReader(v))
	if err != nil {
		return nil, err
	}
	symbols, err := file.DynamicSymbols()
	if err != nil {
		return nil, err
	}
	free := (uint64(len(bytes.TrimRight(v, "\x00"))) + 15) &^ 15
	body := binary.LittleEndian.AppendUint64(nil, uint64(seconds))
	var jumps []change
	for _, symbol := range symbols {
		code, known := steppedCode[symbol.Name]
		if !known {
			continue
		}
		at := free + uint64(len(body))
		// The operand of the last instruction of each that has one: how far the seconds
		// are from the next instruction.
		operand := bytes.Index(code, secondsHere)
		filled := bytes.Clone(code)
		binary.LittleEndian.PutUint32(filled[operand:], uint32(int64(free)-int64(at)-int64(operand)-4))
		body = append(body, filled...)
		jump := binary.LittleEndian.AppendUint32([]byte{0xe9}, uint32(int64(at)-int64(symbol.Value)-5)) // jmp at
		jumps = append(jumps, change{symbol.Value, jump})
	}
	if len(jumps) != len(steppedCode) || free+uint64(len(body)) > uint64(len(v)) {
		return nil, fmt.Errorf("it has %d of the %d functions that tell the time, and %d bytes that are free", len(jumps), len(steppedCode), uint64(len(v))-free)
	}
	return append([]change{{free, body}}, jumps...), nil
}

// secondsHere stands for the distance to the number of seconds.
var secondsHere = []byte{0xee, 0xee, 0xee, 0xee}

// steppedCode is what each function does instead, for x86-64.
var steppedCode = map[string][]byte{
	"__vdso_clock_gettime": {
		0xb8, 0xe4, 0x00, 0x00, 0x00, // mov eax, SYS_clock_gettime
		0x0f, 0x05, // syscall
		0x85, 0xc0, // test eax, eax
		0x75, 0x13, // jnz to ret: an error
		0x85, 0xff, // test edi, edi
		0x74, 0x05, // jz to mov: CLOCK_REALTIME
		0x83, 0xff, 0x05, // cmp edi, CLOCK_REALTIME_COARSE
		0x75, 0x0a, // jne to ret: another clock
		0x48, 0x8b, 0x0d, 0xee, 0xee, 0xee, 0xee, // mov rcx, [seconds]
		0x48, 0x01, 0x0e, // add [rsi], rcx
		0xc3, // ret
	},
	"__vdso_gettimeofday": {
		0xb8, 0x60, 0x00, 0x00, 0x00, // mov eax, SYS_gettimeofday
		0x0f, 0x05, // syscall
		0x85, 0xc0, // test eax, eax
		0x75, 0x0f, // jnz to ret: an error
		0x48, 0x85, 0xff, // test rdi, rdi
		0x74, 0x0a, // jz to ret: it asks for the time zone alone
		0x48, 0x8b, 0x0d, 0xee, 0xee, 0xee, 0xee, // mov rcx, [seconds]
		0x48, 0x01, 0x0f, // add [rdi], rcx
		0xc3, // ret
	},
	"__vdso_time": {
		0x57,       // push rdi
		0x31, 0xff, // xor edi, edi
		0xb8, 0xc9, 0x00, 0x00, 0x00, // mov eax, SYS_time
		0x0f, 0x05, // syscall
		0x5f,                                     // pop rdi
		0x48, 0x03, 0x05, 0xee, 0xee, 0xee, 0xee, // add rax, [seconds]
		0x48, 0x85, 0xff, // test rdi, rdi
		0x74, 0x03, // jz to ret
		0x48, 0x89, 0x07, // mov [rdi], rax
		0xc3, // ret
	},
}

// apply changes a process that stands still. What it has must be v, but for earlier
// changes.
func (v vdso) apply(process string, start uint64, patch []change) error {
	memory, err := os.OpenFile("/proc/"+process+"/mem", os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it is gone
	}
	if err != nil {
		return err
	}
	defer memory.Close()
	theirs, ours := make([]byte, len(v)), bytes.Clone(v)
	if _, err := memory.ReadAt(theirs, int64(start)); err != nil {
		return fmt.Errorf("process %s: %w", process, err)
	}
	for _, c := range patch {
		copy(theirs[c.offset:], c.code)
		copy(ours[c.offset:], c.code)
	}
	if !bytes.Equal(theirs, ours) {
		return fmt.Errorf("process %s has another vDSO, as those of 32 bits have", process)
	}
	for _, c := range patch {
		if _, err := memory.WriteAt(c.code, int64(start+c.offset)); err != nil {
			return fmt.Errorf("process %s: %w", process, err)
		}
	}
	return nil
}

var errNoVDSO = errors.New("it has no vDSO")

// findVDSO finds where a process has it.
func findVDSO(process string) (start uint64, found bool, err error) {
	start, _, err = mapping(process)
	if errors.Is(err, errNoVDSO) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return 0, false, nil
	}
	return start, err == nil, err
}

func mapping(process string) (start, end uint64, err error) {
	maps, err := os.ReadFile("/proc/" + process + "/maps")
	if err != nil {
		return 0, 0, err
	}
	for _, line := range strings.Split(string(maps), "\n") {
		if !strings.HasSuffix(line, "[vdso]") {
			continue
		}
		from, to, _ := strings.Cut(strings.Fields(line)[0], "-")
		start, err = strconv.ParseUint(from, 16, 64)
		if err == nil {
			end, err = strconv.ParseUint(to, 16, 64)
		}
		return start, end, err
	}
	return 0, 0, errNoVDSO
}
