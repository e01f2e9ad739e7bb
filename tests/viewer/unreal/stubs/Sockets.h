#pragma once

#include "CoreMinimal.h"

class FInternetAddr;

namespace ESocketWaitConditions
{
	enum Type { WaitForRead, WaitForWrite, WaitForReadOrWrite };
}
namespace ESocketReceiveFlags
{
	enum Type { None = 0, Peek = 2 };
}

class FSocket
{
public:
	virtual ~FSocket() = default;
	virtual bool Close() = 0;
	virtual bool RecvFrom(uint8* Data, int32 BufferSize, int32& BytesRead, FInternetAddr& Source,
		ESocketReceiveFlags::Type Flags = ESocketReceiveFlags::None);
	virtual bool Wait(ESocketWaitConditions::Type Condition, FTimespan WaitTime) = 0;
};
