package cli
import ("os";"runtime/pprof";"time")
func init(){ if f:=os.Getenv("PROF"); f!="" { o,_:=os.Create(f); pprof.StartCPUProfile(o); go func(){ time.Sleep(9*time.Second); pprof.StopCPUProfile(); o.Close() }() } }
