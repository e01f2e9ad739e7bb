#pragma once

#include "CoreMinimal.h"

namespace UE::Tasks
{
	template <typename Result>
	class TTask
	{
	public:
		bool IsCompleted() const;
	};
	using FTask = TTask<void>;

	template <typename Body>
	TTask<std::invoke_result_t<Body>> Launch(const TCHAR* DebugName, Body&& TaskBody)
	{
		return {};
	}
}
